/**
 * Finds the files of a workspace that are worth reading, and tells of every other one why it is left out. What a name
 * and the file system can tell is decided here; what only the content tells is decided when a file is read (source.ts).
 *
 * A folder that is left out is listed once, with a trailing slash, and not entered. Links are never followed: inside the
 * root their targets are found anyway, outside of it nothing may be read, and so no loop can arise.
 */
import { lstatSync, type Dirent } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { cancelled, noFolder } from '../errors'
import type { Progress, SkippedFile } from '../protocol/types'
import { builtInRules, defaultMaxFileBytes, folderMarks, oversized, vendorMarks, versionControl } from './exclusions'
import { excludesOf, rulesAround, rulesOf } from './git-rules'
import { bytesOf, FolderRules } from './ignore-rules'
import { secretByName, secretFolder } from './secrets'
import { failureReason, isInside, notRegular, secretReason } from './source'

export { judgeText, readSource, savedText, type ReadOptions, type Source } from './source'

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly file: string
  /** Bytes. */
  readonly size: number
  readonly modifiedMs: number
  /** When anything about it was last changed (ctime), which no tool sets back. */
  readonly changedMs: number
  /** A `!` rule of a `.longreadignore` asks for it: it is read although it is generated, minified or much data. */
  readonly wanted: boolean
}

export interface DiscoverOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Default 1 MiB. */
  readonly maxFileBytes?: number | undefined
  /** Looks at these files alone (relative to the root), by the same rules; folders beside their way are not entered. */
  readonly only?: readonly string[] | undefined
}

export interface Discovery {
  /** Both sorted by name, by UTF-16 code units, so that every machine has the same order. */
  readonly files: readonly SourceFile[]
  readonly skipped: readonly SkippedFile[]
}

interface Folder {
  /** Relative to the root: empty, or with a trailing slash. */
  readonly file: string
  /** The rules of the folder that holds it. */
  readonly rules: FolderRules
}

/** Folders looked at together: enough to keep libuv's four threads at work. */
const foldersAtOnce = 16

/**
 * Milliseconds of work after which others get their turn. The state of files is asked for synchronously, because a
 * promise for each costs more than the call itself: with 50,000 files, 3.7 s of processor time against 1.6.
 */
const turnMs = 4

/** Rejects with `no-folder` when the root cannot be read, and with `cancelled`. */
export async function discover(root: string, options: DiscoverOptions = {}): Promise<Discovery> {
  const realRoot = await realpath(root).catch(() => undefined)
  if (realRoot === undefined) throw noFolder(root)
  const around = await rulesAround(realRoot)
  const walk = new Walk(realRoot, around.prefix, options)
  await walk.run(FolderRules.of(builtInRules, around.lists))
  return { files: walk.files.sort(byName), skipped: walk.skipped.sort(byName) }
}

const byName = (a: { readonly file: string }, b: { readonly file: string }) =>
  a.file < b.file ? -1 : a.file > b.file ? 1 : 0

function wayTo(files: readonly string[]): Set<string> {
  const way = new Set(files)
  for (const file of files)
    for (let at = file.indexOf('/'); at >= 0; at = file.indexOf('/', at + 1)) way.add(file.slice(0, at + 1))
  return way
}

class Walk {
  readonly files: SourceFile[] = []
  readonly skipped: SkippedFile[] = []
  private readonly started = performance.now()
  private reported = 0
  private turnStarted = performance.now()
  /** With `only`: the files and, with a trailing slash, the folders on their way. */
  private readonly way: ReadonlySet<string> | undefined

  constructor(
    private readonly root: string,
    /** The root as seen from the top of its repository. */
    private readonly prefix: string,
    private readonly options: DiscoverOptions,
  ) {
    this.way = options.only && wayTo(options.only)
  }

  async run(rules: FolderRules): Promise<void> {
    let level: Folder[] = [{ file: '', rules }]
    while (level.length > 0) {
      const next: Folder[] = []
      for (let i = 0; i < level.length; i += foldersAtOnce) {
        const found = await Promise.all(level.slice(i, i + foldersAtOnce).map((folder) => this.enter(folder)))
        for (const folders of found) next.push(...folders)
        this.report(false)
      }
      level = next
    }
    this.report(true)
  }

  /** Looks at what a folder holds; returns the folders in it that are to be entered. */
  private async enter(folder: Folder): Promise<Folder[]> {
    this.checkCancelled()
    let entries: Dirent[]
    try {
      entries = await readdir(path.join(this.root, folder.file), { withFileTypes: true })
    } catch (error) {
      if (folder.file === '') throw noFolder(this.root)
      this.skip(folder.file, failureReason(error, folder.file))
      return []
    }
    const marked = this.markOf(folder, entries)
    if (marked !== undefined) {
      this.skip(folder.file, marked)
      return []
    }
    const rules = await this.rulesIn(folder, entries)
    const folders: Folder[] = []
    const links: string[] = []
    for (const entry of entries) {
      const file = folder.file + entry.name
      const bytes = bytesOf(this.prefix + file)
      const isFolder = entry.isDirectory()
      if (this.way?.has(isFolder ? `${file}/` : file) === false) continue
      const reason = this.reasonByName(entry, file, rules, bytes)
      if (reason !== undefined) this.skip(isFolder ? `${file}/` : file, reason)
      else if (isFolder) folders.push({ file: `${file}/`, rules })
      else if (entry.isSymbolicLink()) links.push(file)
      else if (!entry.isFile()) this.skip(file, notRegular)
      else this.add(file, rules.wants(bytes, false))
      if (performance.now() - this.turnStarted > turnMs) await this.pause()
    }
    for (const link of links) this.skip(link, await this.reasonOfLink(link))
    return folders
  }

  private reasonByName(entry: Dirent, file: string, rules: FolderRules, bytes: string): string | undefined {
    if (versionControl.has(entry.name) && (entry.isDirectory() || entry.name === '.git')) return 'version control'
    const decision = rules.decide(bytes, entry.isDirectory())
    if (decision?.ignored === true) return `${decision.list.reason}: ${decision.rule.text}`
    const secret = entry.isDirectory() ? secretFolder(file) : secretByName(file)
    return secret === undefined ? undefined : secretReason(secret)
  }

  /** The reason to leave a folder out that shows only in what it holds. */
  private markOf(folder: Folder, entries: readonly Dirent[]): string | undefined {
    if (folder.file === '' || folder.rules.wants(bytesOf(this.prefix + folder.file.slice(0, -1)), true))
      return undefined
    const isVendor = /(?:^|\/)vendor\/$/.test(folder.file)
    for (const { name } of entries) {
      const mark = folderMarks.get(name) ?? (isVendor && vendorMarks.has(name) ? 'dependencies' : undefined)
      if (mark !== undefined) return `${mark}: holds ${name}`
    }
    return undefined
  }

  private async rulesIn({ file, rules }: Folder, entries: readonly Dirent[]): Promise<FolderRules> {
    const named = new Map(entries.map((entry) => [entry.name, entry]))
    const list = (name: string) => rulesOf(path.join(this.root, file, name), file + name, this.prefix + file)
    const git = []
    // A repository inside the root; that of the root itself is among the rules around it.
    if (file !== '' && named.has('.git'))
      git.push(await excludesOf(path.join(this.root, file), `${file}.git`, this.prefix + file))
    if (named.get('.gitignore')?.isFile() === true) git.push(await list('.gitignore'))
    const own = named.get('.longreadignore')?.isFile() === true ? await list('.longreadignore') : undefined
    return rules.inside(git, own)
  }

  private add(file: string, wanted: boolean) {
    try {
      const { size, mtimeMs, ctimeMs } = lstatSync(path.join(this.root, file))
      const limit = this.options.maxFileBytes ?? defaultMaxFileBytes
      const reason = size === 0 ? 'empty' : oversized(file, size, limit, wanted)
      if (reason === undefined) this.files.push({ file, size, modifiedMs: mtimeMs, changedMs: ctimeMs, wanted })
      else this.skip(file, reason)
    } catch (error) {
      this.skip(file, failureReason(error, file))
    }
  }

  private async reasonOfLink(file: string): Promise<string> {
    try {
      const target = await realpath(path.join(this.root, file))
      if (!isInside(this.root, target)) return 'link that leads outside the folder'
      return `link to ${path.relative(this.root, target) || 'the folder itself'}`
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOENT' || code === 'ENOTDIR') return 'link to nothing'
      return code === 'ELOOP' ? 'link to itself' : failureReason(error, file)
    }
  }

  private skip(file: string, reason: string) {
    this.skipped.push({ file, reason })
  }

  private async pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.turnStarted = performance.now()
    this.checkCancelled()
    this.report(false)
  }

  private checkCancelled() {
    if (this.options.signal?.aborted === true) throw cancelled()
  }

  private report(last: boolean) {
    const now = performance.now()
    if (this.options.onProgress === undefined || (!last && now - this.reported < 100)) return
    this.reported = now
    const done = this.files.length
    const rate = (done * 1000) / Math.max(now - this.started, 1)
    this.options.onProgress({ phase: 'discover', done, total: last ? done : 0, unit: 'files', rate })
  }
}
