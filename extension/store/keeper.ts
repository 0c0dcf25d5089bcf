/**
 * One workspace's part of the memory on disk, as the process that reads it sees it: loads and saves segments, keeps the manifest,
 * holds the lock that protects them, keeps the memory within its size. What fails here is told once and never stops reading: a
 * memory that cannot be written goes on in the process.
 */
import { mkdir, rm } from 'node:fs/promises'
import { setTimeout as after } from 'node:timers'
import type { NativeAddon, NativeEpisode, NativeLock } from '../engine/addon'
import { asLongreadError, diskFailure, type LongreadError } from '../errors'
import { MemoryFolder } from './folder'
import {
  aloneWith,
  allManifests,
  headOf,
  holdWorkspace,
  namesOf,
  readManifest,
  workspaceKey,
  writeManifest,
  type Hold,
  type Manifest,
  type ManifestFile,
} from './manifest'
import type { Naming } from './naming'
import { prune } from './prune'
import { Segments, type SegmentMetadata, type StoredEpisode } from './segments'

export interface KeeperOptions {
  /** The memory's folder. */
  readonly memory: string
  /** The workspace's folder, without links. */
  readonly workspace: string
  readonly naming: Naming
  /** Bytes of segments that the memory may hold over all workspaces. */
  readonly limit: number
  readonly log: (message: string) => void
}

/** Default size of the memory. */
export const defaultLimit = 20e9

/** After a failure, so long passes before writing is tried again. */
const retryMs = 30_000
/**
 * Names in a manifest come late by at most this long; what is used meanwhile is protected by when it was used (prune.ts). As another
 * process may be late, too, and write next, a manifest is true only of twice as long ago.
 */
const manifestMs = 5000
/** Names of other processes that are kept of one file: more versions than anybody holds at once. */
const mostOfOthers = 8
/** The memory's size is looked at again after so many bytes were saved. */
const pruneEvery = 0.02

export class Keeper {
  private readonly segments: Segments
  private readonly files: Map<string, ManifestFile>
  private also: NonNullable<Manifest['also']> = {}
  /** The first line of the manifest as this process last read or wrote it. */
  private head: string | undefined
  private failedAt = -Infinity
  private told = false
  private dirty = false
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()
  private savedBytes = 0
  private pruned = false

  private constructor(
    private readonly addon: NativeAddon,
    readonly folder: MemoryFolder,
    private readonly key: string,
    private readonly options: KeeperOptions,
    private readonly lock: NativeLock | undefined,
    before: Manifest | undefined,
    alone: boolean,
  ) {
    this.segments = new Segments(addon, folder)
    const { files = {}, also = {} } = before ?? {}
    // What the workspace held when it was last open it needs until it is looked at again.
    this.files = new Map(Object.entries(files))
    for (const [file, [name]] of Object.entries(also))
      if (name !== undefined && !this.files.has(file)) this.files.set(file, { name, tokens: 0, units: 0 })
    if (!alone) this.also = also
  }

  /** Throws usage when the folder may not be used; a folder that cannot be written is only told. */
  static async open(addon: NativeAddon, options: KeeperOptions): Promise<Keeper> {
    const folder = await MemoryFolder.open(options.memory, options.workspace)
    const key = workspaceKey(options.workspace, options.naming)
    let { problem } = folder
    let hold: Hold | undefined
    try {
      hold = problem === undefined ? await holdWorkspace(addon, folder, key) : undefined
    } catch (thrown) {
      problem = asLongreadError(thrown)
    }
    const head = folder.usable ? await headOf(folder, key) : undefined
    const manifest = folder.usable ? await readManifest(folder, key) : undefined
    if (manifest === 'damaged')
      options.log(
        `The list of what was read of ${options.workspace} was damaged or of another version; it is made anew.`,
      )
    const before = manifest === 'damaged' ? undefined : manifest
    const keeper = new Keeper(addon, folder, key, options, hold?.lock, before, hold?.alone === true)
    keeper.head = head
    if (problem !== undefined) keeper.fail(problem)
    return keeper
  }

  /** Files that the workspace needs or, until it is looked at, needed when it was last open. */
  known(): Iterable<string> {
    return this.files.keys()
  }

  /** What is kept for this content; a damaged segment is told, removed and counts as none. */
  async load(file: string, name: string): Promise<StoredEpisode | undefined> {
    if (!this.folder.usable) return undefined
    this.needs(file, { name, tokens: 0, units: 0 })
    try {
      const stored = await this.segments.load(file, name)
      if (stored) this.needs(file, { name, tokens: stored.episode.tokens, units: stored.episode.units })
      return stored
    } catch (thrown) {
      const error = asLongreadError(thrown)
      if (error.code === 'disk') this.fail(error)
      else if (error.code === 'bad-segment') this.options.log(error.message)
      else throw error
      return undefined
    }
  }

  /** True when the segment outlives a crash; false when it is kept only in the process, which is told once. */
  async save(episode: NativeEpisode, metadata: SegmentMetadata): Promise<boolean> {
    const { file, name } = metadata
    this.needs(file, { name, tokens: episode.tokens, units: episode.units })
    if (performance.now() - this.failedAt < retryMs) return false
    try {
      await this.segments.save(episode, metadata)
      this.savedBytes += episode.bytes
      return true
    } catch (thrown) {
      this.fail(asLongreadError(thrown))
      return false
    }
  }

  /** The file is gone or changed; what was kept of it stays for another branch. */
  drop(file: string): void {
    if (this.files.delete(file)) this.touch()
  }

  /** What is kept of the file as it is held is damaged. */
  async discard(file: string): Promise<void> {
    const entry = this.files.get(file)
    if (entry) await rm(this.folder.segment(file, entry.name), { force: true }).catch(() => undefined)
  }

  /** These may no longer be kept: every version goes, except where another workspace holds it rightly. */
  async forget(files: readonly string[]): Promise<void> {
    const present: string[] = []
    for (const file of files) {
      this.drop(file)
      if (await this.segments.has(file)) present.push(file)
    }
    // What others hold takes a while to find out, and of most files that are left out nothing was ever kept.
    if (present.length === 0) return
    const others = (await allManifests(this.folder)).filter(({ key }) => key !== this.key)
    let forgotten = 0
    for (const file of present) {
      const kept = new Set(others.flatMap((other) => namesOf(other, file)))
      try {
        forgotten += await this.segments.forget(file, kept)
      } catch (cause) {
        this.fail(diskFailure(this.folder.segments, cause))
      }
    }
    if (forgotten > 0) await this.folder.forgetSummaries()
  }

  /** Writes the manifest where it has changed, and keeps the memory within its size. */
  async flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    this.writing = this.writing.then(() => this.write())
    await this.writing
    await this.pruneIfGrown()
  }

  async close(): Promise<void> {
    await this.flush()
    this.lock?.release()
  }

  private needs(file: string, entry: ManifestFile): void {
    this.files.set(file, entry)
    this.touch()
  }

  private touch(): void {
    this.dirty = true
    this.timer ??= after(() => void this.flush(), manifestMs).unref()
  }

  private async write(): Promise<void> {
    if (!this.dirty || this.folder.problem !== undefined) return
    this.dirty = false
    const { workspace: root, naming } = this.options
    try {
      // Somebody may have removed it all.
      await mkdir(this.folder.workspaces, { recursive: true, mode: 0o700 })
      this.head = await aloneWith(this.addon, this.folder, this.key, async () => {
        await this.takeOver()
        const [files, also] = [Object.fromEntries(this.files), this.also]
        const asOf = Date.now() - 2 * manifestMs
        return writeManifest(this.folder, this.key, { root, naming, asOf, files, also })
      })
    } catch (thrown) {
      this.dirty = true
      this.fail(asLongreadError(thrown))
    }
  }

  /** What another process that has this workspace open wrote in the manifest since we did. */
  private async takeOver(): Promise<void> {
    if ((await headOf(this.folder, this.key)) === this.head) return
    const now = await readManifest(this.folder, this.key)
    if (now === undefined || now === 'damaged') return
    const also: Record<string, string[]> = {}
    for (const file of new Set([...Object.keys(now.files), ...Object.keys(now.also ?? {})])) {
      const own = this.files.get(file)?.name
      const names = new Set(namesOf(now, file).filter((name) => name !== own))
      if (names.size > 0) also[file] = [...names].slice(0, mostOfOthers)
    }
    this.also = also
  }

  private async pruneIfGrown(): Promise<void> {
    const { limit } = this.options
    if (this.folder.problem !== undefined || (this.pruned && this.savedBytes < limit * pruneEvery)) return
    if (this.savedBytes === 0) return
    this.pruned = true
    this.savedBytes = 0
    await prune(this.addon, this.folder, { limit }).catch((thrown: unknown) => {
      this.fail(asLongreadError(thrown))
    })
  }

  private fail(error: LongreadError): void {
    this.failedAt = performance.now()
    if (this.told) return
    this.told = true
    this.options.log(`${error.message} Reading goes on; what is read now is kept only while this process runs.`)
  }
}
