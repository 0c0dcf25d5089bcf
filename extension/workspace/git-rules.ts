/**
 * Where git keeps ignore rules apart from the folders that are read: `info/exclude` of a repository, the user's global
 * excludes, and the `.gitignore` files above the root when the root lies inside a larger repository. Nothing here fails:
 * a file that is not there or cannot be read holds no rules, as in git.
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { globalExcludes } from './git-excludes'
import { bytesOf, FolderRules, noRules, parseRules, type RuleList } from './ignore-rules'

/** Bytes of an ignore file: a hundred thousand rules. Of more, memory would run out, not only time. */
const mostRuleBytes = 4 * 2 ** 20
/** Bytes of a file that names a folder. */
const mostNameBytes = 4096

export interface GitRules {
  /** The root as seen from the top of its repository: empty, or with a trailing slash. */
  readonly prefix: string
  /** Lists that hold in the whole root, the farthest first. */
  readonly lists: readonly RuleList[]
}

/** The rules from outside the root. The `.gitignore` of the root and of folders in it are read on the way. */
export async function rulesAround(root: string): Promise<GitRules> {
  const top = await repositoryAround(root)
  const excludes = await globalExcludes(root, top === undefined ? undefined : await gitDirectoryOf(top))
  const global = excludes === undefined ? [] : [await rulesOf(excludes, shortened(excludes), '', true)]
  if (top === undefined) return { prefix: '', lists: global }
  const folders = top === root ? [] : path.relative(top, root).split(path.sep)
  const up = (count: number) => '../'.repeat(folders.length - count)
  const lists = [...global, await excludesOf(top, `${up(0)}.git`, '')]
  for (let depth = 0; depth < folders.length; depth++) {
    const base = folders
      .slice(0, depth)
      .map((folder) => `${folder}/`)
      .join('')
    lists.push(await rulesOf(path.join(top, base, '.gitignore'), `${up(depth)}.gitignore`, base))
    const inside = bytesOf(base + (folders[depth] ?? ''))
    // A root that its repository ignores was named on purpose: it is read by its own rules.
    if (FolderRules.of([], lists).decide(inside, true)?.ignored) return { prefix: '', lists: global }
  }
  return { prefix: folders.map((folder) => `${folder}/`).join(''), lists }
}

/** `info/exclude` of the repository whose work tree is this folder; `.git` may be a folder or a file that names one. */
export async function excludesOf(folder: string, name: string, base: string): Promise<RuleList> {
  const gitDirectory = await gitDirectoryOf(folder)
  return gitDirectory === undefined
    ? noRules
    : rulesOf(path.join(gitDirectory, 'info', 'exclude'), `${name}/info/exclude`, base, true)
}

/**
 * Reads one ignore file. Inside a work tree it is not read through a link, which could lead anywhere (as in git). One that is too
 * large ignores everything: not to know what it says may let nothing in.
 */
export async function rulesOf(file: string, name: string, base: string, follow = false): Promise<RuleList> {
  const content = await smallFile(file, mostRuleBytes, follow)
  if (content === undefined) return noRules
  if (content === 'too large') return parseRules(Buffer.from('*'), `left out, since ${name} is too large`, base)
  return parseRules(content, `ignored by ${name}`, base)
}

/** A regular file of so many bytes at most; undefined where there is none, or none that may be read. */
async function smallFile(file: string, most: number, follow = true): Promise<Buffer | 'too large' | undefined> {
  try {
    // Without O_NONBLOCK a pipe of this name would be waited for.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW))
    try {
      const state = await handle.stat()
      if (!state.isFile()) return undefined
      return state.size > most ? 'too large' : await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}

/** Its text; empty where there is none. */
async function smallText(file: string): Promise<string> {
  const content = await smallFile(file, mostNameBytes)
  return Buffer.isBuffer(content) ? content.toString('utf8') : ''
}

/** The nearest folder, from this one upward, that holds a `.git`. */
async function repositoryAround(root: string): Promise<string | undefined> {
  for (let folder = root; ; folder = path.dirname(folder)) {
    if ((await gitDirectoryOf(folder)) !== undefined) return folder
    if (folder === path.dirname(folder)) return undefined
  }
}

async function gitDirectoryOf(folder: string): Promise<string | undefined> {
  const git = path.join(folder, '.git')
  try {
    const state = await lstat(git)
    if (state.isDirectory()) return git
    if (!state.isFile()) return undefined
    // A worktree or submodule: `gitdir: PATH`; a worktree's rules lie in the common directory.
    const named = /^gitdir: (.+)$/m.exec(await smallText(git))?.[1]
    if (named === undefined) return undefined
    const directory = path.resolve(folder, named)
    const common = await smallText(path.join(directory, 'commondir'))
    return common.trim() === '' ? directory : path.resolve(directory, common.trim())
  } catch {
    return undefined
  }
}

const shortened = (file: string) => {
  const home = homedir()
  return file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file
}
