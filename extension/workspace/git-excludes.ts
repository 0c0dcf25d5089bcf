/**
 * Where the user's global excludes lie: the file that `core.excludesFile` names, or git's default for it. Git itself is asked once, and
 * again when one of the files that it read its configuration from has changed: a question looks at all files before, and to start a
 * process takes a large one long, one with a GPU's memory in its address space a tenth of a second.
 */
import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

/** What git said of a root, and the files that it depends on as they were then. */
interface Asked {
  readonly named: string | undefined
  readonly files: ReadonlyMap<string, string>
}

const asked = new Map<string, Asked>()

/** `gitDirectory` is that of the repository around the root, where there is one. */
export async function globalExcludes(root: string, gitDirectory: string | undefined): Promise<string | undefined> {
  const named = (await askOnce(root, gitDirectory)) ?? (await readConfig())
  if (named === '') return undefined
  if (named !== undefined) return path.resolve(root, named.replace(/^~(?=\/|$)/, homedir()))
  return path.join(configHome(), 'git', 'ignore')
}

const configHome = () => {
  const named = process.env['XDG_CONFIG_HOME']
  return named === undefined || named === '' ? path.join(homedir(), '.config') : named
}

/** What else decides which files are read, and which git. */
const environment = [
  'XDG_CONFIG_HOME',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
  'PATH',
] as const

async function askOnce(root: string, gitDirectory: string | undefined): Promise<string | undefined> {
  const key = JSON.stringify([root, homedir(), ...environment.map((name) => process.env[name])])
  const known = asked.get(key)
  if (known && [...known.files].every(([file, stamp]) => stampOf(file) === stamp)) return known.named
  asked.delete(key)
  // As they are before git reads them: what changes meanwhile shows.
  const places = new Map(placesOf(gitDirectory).map((file) => [file, stampOf(file)]))
  const [answer, more] = await Promise.all([askGit(root), filesRead(root)])
  for (const file of more) if (!places.has(file)) places.set(file, stampOf(file))
  if (answer) asked.set(key, { named: answer.named, files: places })
  return answer?.named
}

/** Where configuration lies, whether anything is there or not. */
function placesOf(gitDirectory: string | undefined): string[] {
  const named = ['GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM'].flatMap((name) => process.env[name] ?? [])
  const own = ['config', 'config.worktree', 'HEAD'].map((name) => gitDirectory && path.join(gitDirectory, name))
  const home = homedir()
  return [
    ...['/etc/gitconfig', '/usr/local/etc/gitconfig', path.join(home, '.gitconfig')],
    ...[path.join(configHome(), 'git', 'config'), ...named],
    ...own.flatMap((file) => file ?? []),
  ]
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file)
    return [ino, size, mtimeMs, ctimeMs].join(' ')
  } catch {
    return ''
  }
}

async function git(root: string, ...args: string[]): Promise<string> {
  // Set inside git's hooks, these would answer for another repository.
  const env = { ...process.env, GIT_DIR: undefined, GIT_WORK_TREE: undefined, GIT_INDEX_FILE: undefined }
  const options = { cwd: root, env, timeout: 5000, maxBuffer: 4 << 20 }
  return (await promisify(execFile)('git', ['config', '-z', ...args], options)).stdout
}

/** What git itself says, which knows includes and every place of its configuration; undefined where it failed. */
async function askGit(root: string): Promise<Pick<Asked, 'named'> | undefined> {
  try {
    return { named: (await git(root, '--type=path', '--get', 'core.excludesFile')).replace(/\0$/, '') }
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
    // There is no such entry, or no git. What went wrong otherwise may go well the next time.
    return code === 1 || code === 'ENOENT' ? { named: undefined } : undefined
  }
}

/** The files that git read for it, and those that they name to be read, which may not be there. */
async function filesRead(root: string): Promise<Set<string>> {
  const files = new Set<string>()
  const listed = (await git(root, '--list', '--show-origin').catch(() => '')).split('\0')
  for (let i = 0; i + 1 < listed.length; i += 2) {
    const origin = /^file:(.+)$/s.exec(listed[i] ?? '')?.[1]
    if (origin === undefined) continue
    const file = path.resolve(root, origin)
    files.add(file)
    const included = /^include(?:if\..*)?\.path\n(.+)$/s.exec(listed[i + 1] ?? '')?.[1]
    if (included !== undefined) files.add(path.resolve(path.dirname(file), included.replace(/^~(?=\/|$)/, homedir())))
  }
  return files
}

/** For machines without git: the user's configuration files, read for this one entry. */
async function readConfig(): Promise<string | undefined> {
  for (const file of [path.join(homedir(), '.gitconfig'), path.join(configHome(), 'git', 'config')]) {
    const text = await readFile(file, 'utf8').catch(() => '')
    let section = ''
    for (const line of text.split('\n')) {
      section = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line)?.[1]?.toLowerCase() ?? section
      const value = /^\s*excludesfile\s*=\s*(?:"([^"]*)"|(.*?))\s*$/i.exec(line)
      if (section === 'core' && value !== null) return value[1] ?? value[2]
    }
  }
  return undefined
}
