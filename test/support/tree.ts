/** Temporary folders for tests: written from a table of names and contents, and removed after each test. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A file's content, or where a link leads. A name that ends with a slash is an empty folder. */
export type Tree = Readonly<Record<string, string | Buffer | { readonly link: string }>>

const made: string[] = []

export async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'longread-test-')))
  made.push(folder)
  return folder
}

export async function writeTree(root: string, tree: Tree): Promise<string> {
  for (const [name, content] of Object.entries(tree)) {
    const file = path.join(root, name)
    await mkdir(name.endsWith('/') ? file : path.dirname(file), { recursive: true })
    if (name.endsWith('/')) continue
    if (typeof content === 'string' || Buffer.isBuffer(content)) await writeFile(file, content)
    else await symlink(content.link, file)
  }
  return root
}

export async function temporaryTree(tree: Tree): Promise<string> {
  return writeTree(await temporaryFolder(), tree)
}

export async function removeTemporaryFolders(): Promise<void> {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true })
}

/** Runs with a home folder of its own, so that the git configuration of this machine decides nothing. */
export async function withHome<T>(home: string, run: () => Promise<T>): Promise<T> {
  const names = ['HOME', 'PATH', 'XDG_CONFIG_HOME', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_NOSYSTEM']
  const kept = names.map((name) => [name, process.env[name]] as const)
  set([
    ['HOME', home],
    ['XDG_CONFIG_HOME', undefined],
    ['GIT_CONFIG_GLOBAL', undefined],
    ['GIT_CONFIG_NOSYSTEM', '1'],
  ])
  try {
    return await run()
  } finally {
    set(kept)
  }
}

/** One by one: assigning to `process.env` itself would leave the real environment, which os.homedir() reads, as it is. */
function set(variables: readonly (readonly [string, string | undefined])[]) {
  for (const [name, value] of variables) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
}
