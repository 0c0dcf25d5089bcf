/**
 * Brings the corpus of repositories.json into the cache by the package managers' ordinary clients: source distributions of
 * pip, packages of npm, sources and source-holding packages of Debian. What is there already is left alone.
 *
 *   node out/test/bench/corpus/fetch.js [NAME|SPLIT …]
 */
import { execFile } from 'node:child_process'
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, corpusFolder, corporaFolder, readRepositories, type Repository } from './repositories'

const execute = promisify(execFile)

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execute(command, args, { cwd, maxBuffer: 1 << 26 })
  return stdout
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

/** Debian's source lists are a setup of their own, so that the machine's stays as it is. */
async function sourceLists(): Promise<string[]> {
  const folder = path.join(cacheFolder(), 'apt')
  const parts = path.join(folder, 'sources')
  const options = [
    ...['-o', 'Dir::Etc::sourcelist=/dev/null', '-o', `Dir::Etc::sourceparts=${parts}`],
    ...['-o', `Dir::State::lists=${path.join(folder, 'lists')}`, '-o', 'APT::Sandbox::User=root'],
  ]
  if (await exists(parts)) return options
  await mkdir(path.join(folder, 'lists', 'partial'), { recursive: true })
  const fresh = `${parts}.partial`
  await mkdir(fresh, { recursive: true })
  const lists = '/etc/apt/sources.list.d'
  for (const name of await readdir(lists)) {
    const text = await readFile(path.join(lists, name), 'utf8')
    if (name.endsWith('.sources'))
      await writeFile(path.join(fresh, name), text.replace(/^Types:.*$/gm, 'Types: deb-src'))
    if (name.endsWith('.list')) await writeFile(path.join(fresh, name), text.replace(/^deb\s/gm, 'deb-src '))
  }
  await rename(fresh, parts)
  await run('apt-get', [...options, 'update', '-q'], folder)
  return options
}

/** Downloads one archive into an empty folder. A Debian version may have gone: then the one that is there is taken. */
async function download(repository: Repository, into: string): Promise<void> {
  const { package: name, version } = repository
  switch (repository.source) {
    case 'pip':
      await run(
        'python3',
        ['-m', 'pip', 'download', '-q', '--no-binary', ':all:', '--no-deps', `${name}==${version}`],
        into,
      )
      return
    case 'npm':
      await run('npm', ['pack', '--silent', '--ignore-scripts', `${name}@${version}`], into)
      return
    case 'apt':
      await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], into)
      return
    case 'apt-source':
      await run('apt-get', [...(await sourceLists()), 'source', '-q', '--download-only', '--tar-only', name], into)
      return
  }
}

/** Refuses an archive that names anything outside the folder it is unpacked into. */
export async function unpack(archive: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true })
  if (archive.endsWith('.deb')) {
    await run('dpkg-deb', ['-x', archive, into], into)
  } else {
    const names = (await run('tar', ['-tf', archive], into)).split('\n')
    const escaping = names.find((name) => name.startsWith('/') || name.split('/').includes('..'))
    if (escaping !== undefined) throw new Error(`${path.basename(archive)} would write outside its folder: ${escaping}`)
    await run('tar', ['-xf', archive, '--no-same-owner', '--no-same-permissions'], into)
  }
  const real = path.resolve(into)
  for (const entry of await readdir(into, { recursive: true })) {
    const full = path.join(into, entry)
    if (!(await lstat(full)).isSymbolicLink()) continue
    const target = path.resolve(path.dirname(full), await readlink(full))
    if (!target.startsWith(`${real}${path.sep}`)) await rm(full)
  }
}

/** The folder that holds the repository: below any folders that hold nothing but one other. */
async function rootOf(folder: string): Promise<string> {
  let root = folder
  for (;;) {
    const entries = (await readdir(root, { withFileTypes: true })).filter((entry) => entry.name !== 'doc')
    const only = entries.length === 1 ? entries[0] : undefined
    if (only?.isDirectory() !== true) return root
    root = path.join(root, only.name)
  }
}

const archiveVersion = (archive: string): string | undefined =>
  /_([^_]+?)(?:\.orig\.tar\.\w+|-[^-_]+_\w+\.deb)$/.exec(archive)?.[1]

/** Returns the folder of the repository and whether it was there before. */
export async function fetchRepository(repository: Repository): Promise<{ folder: string; fetched: boolean }> {
  const folder = corpusFolder(repository)
  if (await exists(folder)) return { folder, fetched: false }
  await mkdir(corporaFolder(), { recursive: true })
  const work = await mkdtemp(path.join(corporaFolder(), '.fetch-'))
  try {
    const downloads = path.join(work, 'download')
    await mkdir(downloads)
    await download(repository, downloads)
    const archive = (await readdir(downloads)).find((name) => /\.(tar\.\w+|tgz|deb|zip)$/.test(name))
    if (archive === undefined) throw new Error(`${repository.package} came without an archive.`)
    const unpacked = path.join(work, 'unpacked')
    await unpack(path.join(downloads, archive), unpacked)
    const root = await rootOf(unpacked)
    const chosen = path.join(work, 'chosen')
    if (repository.keep === undefined) await rename(root, chosen)
    else
      for (const part of repository.keep) await cp(path.join(root, part), path.join(chosen, part), { recursive: true })
    for (const part of repository.drop ?? []) await rm(path.join(chosen, part), { recursive: true, force: true })
    const version = archiveVersion(archive) ?? repository.version
    await writeFile(
      `${folder}.json`,
      `${JSON.stringify({ ...repository, archive, fetchedVersion: version }, null, 2)}\n`,
    )
    await rename(chosen, folder)
    return { folder, fetched: true }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

export function chooseRepositories(names: readonly string[]): Repository[] {
  const all = readRepositories()
  const unknown = names.find((name) => !all.some((repository) => repository.name === name || repository.split === name))
  if (unknown !== undefined) throw new Error(`No repository or split is called "${unknown}".`)
  return all.filter(({ name, split }) => names.length === 0 || names.includes(name) || names.includes(split))
}

async function main(names: readonly string[]): Promise<void> {
  for (const repository of chooseRepositories(names)) {
    const { folder, fetched } = await fetchRepository(repository)
    process.stdout.write(`${fetched ? 'fetched' : 'present'}  ${repository.split}  ${folder}\n`)
  }
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
