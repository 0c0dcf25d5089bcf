/**
 * The memory of one workspace. Three ways bring it to what is on disk: `look` finds what there is, takes what is kept from before
 * and lists the rest; `read` then reads the list; `update` brings in what was just saved or typed, ahead of the list. After each the
 * memory is what a clean read of the same contents would give, except for what `missing` tells.
 *
 * Calls on one memory take turns (engine/turns.ts): between two files, and within one, a more urgent one may come in between.
 */
import { lstat } from 'node:fs/promises'
import * as path from 'node:path'
import { uninterrupted, type Turn } from '../engine/turns'
import { cancelled, LongreadError } from '../errors'
import type { Change, Missing, Progress, StreamResult, UpdateResult } from '../protocol/types'
import { hasCode, shortHash } from '../store/folder'
import { discover, judgeText, readSource, type SourceFile } from '../workspace/discovery'
import { byFile, reasonFor } from '../workspace/skipped'
import { Backlog, type Waiting } from './backlog'
import type { LoadedModel } from './loaded'
import { CuttingThreads, type Cutting } from './cutting'
import type { HeldFile, Standing, Stat } from './held'
import { Gather, type Gathered } from './gather'
import { KeptFiles, type LaidOut, type MemoryOptions, type ReadingOptions } from './kept'
import { isRuleFile, LeftOut } from './left-out'
import { ReadingProgress } from './reading-progress'

export interface ReadOptions extends ReadingOptions {
  readonly progress: (progress: Progress) => void
  readonly turn?: Turn
  /** Files that are read first, in this order: what is open. */
  readonly first?: readonly string[] | undefined
  /** Files are not looked for where they were already: what has changed since was told by `update`. */
  readonly watched?: boolean | undefined
  /** A file is held from now on: read just now or taken from what was kept; `kept`: it will outlive this process. */
  readonly onHeld?: (file: string, how: 'read' | 'reused', kept: boolean) => void
}

/** What is to be read of a file that waited; otherwise how it came to be held, if anybody has to hear of it. */
interface Ready {
  readonly read?: LaidOut
  readonly how?: 'reused'
}

/** By their text: what was held of files that are gone, for those that they became. */
type Leaving = ReadonlyMap<string, Standing>

/** Files looked at together: enough to keep libuv's four threads at work. */
const filesAtOnce = 16

/** Bytes that wait from which on threads are started to cut them. */
const worthThreads = 300_000

/** A file that was changed within this time before it was looked at may change again without its times telling (ms). */
const coarseClock = 2000

export class Memory extends KeptFiles {
  private readonly backlog = new Backlog()
  private readonly unsavedTexts = new Map<string, string>()
  private readonly leftOut: LeftOut
  /** Whether the files of the workspace were looked for. */
  private search: 'never' | 'begun' | 'done' = 'never'
  private closed = false

  constructor(...held: ConstructorParameters<typeof KeptFiles>) {
    super(...held)
    this.leftOut = new LeftOut(this.keeper)
  }

  /** `root` is absolute and without links. Throws usage when the folder of the memory may not be used. */
  static async open(root: string, loaded: LoadedModel, options: MemoryOptions): Promise<Memory> {
    return new Memory(root, loaded, options.breadcrumbs, await this.keeperFor(root, loaded, options))
  }

  /** The text of a file that is open and not saved. */
  readonly unsaved = (file: string): string | undefined => this.unsavedTexts.get(file)

  /** What is found but not read yet. */
  missing(): Missing {
    return { files: this.backlog.size, bytes: this.backlog.bytes, first: this.backlog.peek(5) }
  }

  /** Files that wait to be read, in no order. */
  waiting(): Iterable<string> {
    return this.backlog.files()
  }

  /** These come next, where they wait. */
  prefer(files: readonly string[]): void {
    this.backlog.prefer(files)
  }

  /** True once the files of the workspace were looked for. */
  get hasLooked(): boolean {
    return this.search === 'done'
  }

  /** Brings the memory to what is on disk now. Rejects with `cancelled`; what was read until then stays. */
  async read(options: ReadOptions): Promise<StreamResult> {
    const started = performance.now()
    if (options.watched !== true || !this.hasLooked) await this.look(options)
    const progress = await this.drain(options, false)
    await this.keeper?.flush()
    const seconds = (performance.now() - started) / 1000
    const totals = this.totals()
    return {
      ...totals,
      skipped: this.leftOut.list(),
      tokensRead: progress.tokens,
      seconds,
      tokensPerSecond: progress.rate(),
      reused: totals.files - progress.files,
    }
  }

  /** Reads what comes next, until anything is held. */
  async readFirst(options: ReadOptions): Promise<void> {
    await this.drain(options, false, () => this.held.size > 0)
  }

  /** Finds the files, takes what is kept from before, lists the rest. Reads nothing with the model. */
  async look(options: ReadOptions): Promise<void> {
    const { signal, turn = uninterrupted } = options
    if (this.search === 'never') this.search = 'begun'
    this.backlog.prefer(options.first ?? [])
    const found = await discover(this.root, { signal, onProgress: options.progress })
    const present = new Set(found.files.map(({ file }) => file))
    const known = new Set([...this.held.keys(), ...this.backlog.files(), ...(this.keeper?.known() ?? [])])
    const leaving = this.leave([...known].filter((file) => !present.has(file) && !this.unsavedTexts.has(file)))
    await this.leftOut.replace(found.skipped, known)
    for (let i = 0; i < found.files.length; i += filesAtOnce) {
      this.checkOpen(signal)
      if (turn.interrupted.aborted) await turn.giveWay()
      const some = found.files.slice(i, i + filesAtOnce)
      await Promise.all(some.map((source) => this.lookAt(source, leaving, options, false)))
    }
    this.search = 'done'
  }

  /** Brings in files that were saved, removed, renamed or typed in, the last of `changes` first: `note`, then `readNoted`. */
  async update(changes: readonly Change[], options: ReadOptions): Promise<UpdateResult> {
    const started = performance.now()
    await this.note(changes, options)
    return this.readNoted(changes, options, started)
  }

  /**
   * From here on they are found by their words, and what did not change in them by attention, too. What else there is is looked for
   * when nobody has, and waits.
   */
  async note(changes: readonly Change[], options: ReadOptions): Promise<void> {
    for (const { file } of changes)
      if (!isRelative(file)) throw new LongreadError('usage', `${file} is not the name of a file in the workspace.`)
    for (const { file, text } of changes) {
      if (typeof text === 'string') this.unsavedTexts.set(file, text)
      else this.unsavedTexts.delete(file)
    }
    const names = namesIn(changes)
    const found = await discover(this.root, { signal: options.signal, only: names })
    const present = new Map(found.files.map((source) => [source.file, source]))
    const skipped = byFile(found.skipped)
    const gone = names.filter((file) => !present.has(file) && !this.unsavedTexts.has(file))
    if (this.search === 'never' || names.some(isRuleFile) || (await this.haveFolder(gone))) await this.look(options)
    const leaving = this.leave(gone)
    for (const file of names) {
      const source = present.get(file)
      const text = this.unsavedTexts.get(file)
      this.leftOut.remove(file)
      const reason = reasonFor(skipped, file)
      if (reason !== undefined) await this.exclude(file, reason)
      else if (text !== undefined) await this.lookAtUnsaved(file, text, source, options)
      else if (source) await this.lookAt(source, leaving, options, true)
    }
  }

  /** It resolves when they are read. `started`: from when on that is timed. */
  async readNoted(
    changes: readonly Change[],
    options: ReadOptions,
    started = performance.now(),
  ): Promise<UpdateResult> {
    const { files, tokens } = await this.drain(options, true)
    const ms = performance.now() - started
    const skipped = this.leftOut.of(namesIn(changes))
    return { files, tokens, ms, missing: this.missing(), held: this.totals(), skipped }
  }

  /** Reads again what a question found damaged on disk; false when there was nothing. */
  async repair(options: ReadOptions): Promise<boolean> {
    const damaged = this.store.takeDamaged()
    for (const file of damaged) {
      options.log(`What was kept of ${file} is damaged; it is read again.`)
      await this.keeper?.discard(file)
      this.drop(file)
    }
    if (damaged.length > 0)
      await this.update(
        damaged.map((file) => ({ file })),
        options,
      )
    return damaged.length > 0
  }

  /** Writes what is not written yet and lets go of the folder. */
  async close(): Promise<void> {
    this.closed = true
    await this.keeper?.close()
  }

  protected override drop(file: string): void {
    this.backlog.remove(file)
    this.keeper?.drop(file)
    super.drop(file)
  }

  /** Whether one of these was or is a folder: then more has changed than was said. */
  private async haveFolder(files: readonly string[]): Promise<boolean> {
    const unknown = files.filter((file) => !this.held.has(file) && !this.backlog.has(file))
    if (unknown.length === 0) return false
    for (const file of unknown) {
      const stats = await lstat(path.join(this.root, file)).catch(() => undefined)
      if (stats?.isDirectory() === true) return true
    }
    const folders = new Set<string>()
    for (const file of [...this.held.keys(), ...this.backlog.files()])
      for (let at = file.indexOf('/'); at >= 0; at = file.indexOf('/', at + 1)) folders.add(file.slice(0, at))
    return unknown.some((file) => folders.has(file))
  }

  /** Drops files; what was held of them may stand in for what they became. */
  private leave(files: readonly string[]): Leaving {
    const leaving = new Map<string, Standing>()
    for (const file of files) {
      const standing = this.standing(file)
      if (standing) leaving.set(standing.held.mark, standing)
      this.drop(file)
    }
    return leaving
  }

  private async exclude(file: string, reason: string): Promise<void> {
    this.drop(file)
    await this.leftOut.add(file, reason)
  }

  /** Holds a file that is kept already; otherwise lists it, and what was held of it stands in. */
  private async lookAt(source: SourceFile, leaving: Leaving, options: ReadOptions, urgent: boolean): Promise<void> {
    const { file, wanted } = source
    const held = this.held.get(file)
    if (this.unsavedTexts.has(file) || (held && isSame(held, source))) return
    const stat = statOf(source)
    const read = await readSource(this.root, file, { wanted, isClean: () => true })
    if ('skipped' in read) return this.exclude(file, read.skipped)
    const how = await this.take({ file, text: read.text, stat })
    if (how) {
      this.backlog.remove(file)
      if (how === 'reused') options.onHeld?.(file, how, true)
      return
    }
    this.backlog.put(source, urgent)
    const from = leaving.get(shortHash(read.text)) ?? (urgent ? this.blank() : undefined)
    await this.standIn(file, read.text, this.standing(file) ?? from, options)
  }

  /** Text that nobody saved is held like a file's, but never written to disk. */
  private async lookAtUnsaved(file: string, text: string, source: SourceFile | undefined, options: ReadOptions) {
    const wanted = source?.wanted ?? false
    const judged = await judgeText(file, text, { wanted })
    // While a secret is being typed, the file is not held; what was saved without it may stay on disk.
    if ('skipped' in judged) {
      this.drop(file)
      return
    }
    if (this.holds({ file, text })) return
    this.backlog.put({ file, size: text.length, modifiedMs: Date.now(), changedMs: Infinity, wanted }, true)
    await this.standIn(file, text, this.standing(file) ?? this.blank(), options)
  }

  private async standIn(file: string, text: string, from: Standing | undefined, { log }: ReadOptions): Promise<void> {
    if (from === undefined) return
    try {
      await this.stand(file, text, from, log)
    } catch (thrown) {
      // Damaged on disk, which shows only now.
      if (!hasCode(thrown, 'bad-segment')) throw thrown
      super.drop(file)
    }
  }

  /** Reads what waits, until nothing does or it is enough; with `urgent` only what was just saved. */
  private async drain(options: ReadOptions, urgent: boolean, isEnough = () => false): Promise<ReadingProgress> {
    const { signal, turn = uninterrupted } = options
    const progress = new ReadingProgress(this.backlog.bytes, options.progress)
    // A processor reads slower than one thread cuts.
    const threads = this.reader.together > 0 && this.backlog.bytes > worthThreads ? new CuttingThreads() : undefined
    const prepare = (next: Waiting, either: AbortSignal) => this.ready(next, either, options, threads?.cut)
    const gather = new Gather(this.backlog, this.reader.together, prepare)
    // What was read last is kept while the next is read.
    let kept: Promise<void> = Promise.resolve()
    try {
      for (;;) {
        // Whoever comes in between must find waiting what is not read, and the rest kept.
        if (turn.interrupted.aborted) {
          await kept
          await gather.putBack()
        }
        await turn.giveWay()
        this.checkOpen(signal)
        const { interrupted } = turn
        const either = AbortSignal.any([signal, interrupted])
        try {
          const group = isEnough() ? [] : await gather.next(urgent, either)
          if (group.length === 0) break
          gather.prepareAhead(urgent, either)
          const read = await this.readGroup(group, either, options, progress)
          gather.done()
          await kept
          kept = read.tell()
          // Whoever waits for it hears of what went wrong.
          kept.catch(() => undefined)
          // Beside a processor's reading there is nothing to gain by it.
          if (this.reader.together === 0) await kept
        } catch (thrown) {
          const gaveWay = thrown instanceof LongreadError && thrown.code === 'cancelled' && interrupted.aborted
          if (!gaveWay) throw thrown
        }
      }
    } finally {
      await gather.putBack()
      await threads?.close()
      // It changes what is held, so it must have ended.
      await kept.catch(() => undefined)
    }
    await kept
    if (!urgent) progress.finish()
    return progress
  }

  private checkOpen(signal: AbortSignal): void {
    if (signal.aborted || this.closed) throw cancelled()
  }

  /** Reads what needs the model, so that all are held; `tell` tells of all, once those that were read are kept. */
  private async readGroup(
    group: readonly Gathered<Ready>[],
    signal: AbortSignal,
    { log, onHeld }: ReadOptions,
    progress: ReadingProgress,
  ): Promise<{ readonly tell: () => Promise<void> }> {
    const files = group.flatMap(({ prepared }) => prepared.read ?? [])
    const listeners = progress.of(group.map(({ next }) => next))
    const read = files.length > 0 ? await this.readNow(files, { signal, log }, listeners) : undefined
    progress.done(group.map(({ next, prepared }) => ({ ...next, tokens: prepared.read?.tokens })))
    const tell = async () => {
      await read?.kept
      for (const { next, prepared } of group) {
        const how = prepared.read ? 'read' : prepared.how
        if (how !== undefined) onHeld?.(next.file, how, this.held.get(next.file)?.kept ?? false)
      }
    }
    return { tell }
  }

  /** A file that waited, as it is now: left out, held without the model, or ready to be read. */
  private async ready(next: Waiting, signal: AbortSignal, options: ReadOptions, cut?: Cutting): Promise<Ready> {
    if (signal.aborted) throw cancelled()
    const { file, wanted } = next
    const typed = this.unsavedTexts.get(file)
    const unsaved = typed !== undefined
    const stat = unsaved ? undefined : statOf(next)
    const source = unsaved ? await judgeText(file, typed, { wanted }) : await readSource(this.root, file, { wanted })
    if ('skipped' in source) {
      await this.exclude(file, source.skipped)
      return {}
    }
    const now = { file, text: source.text, stat, unsaved }
    // It may have changed back, or another process may have read it meanwhile.
    const how = await this.take(now)
    if (how) return how === 'reused' ? { how } : {}
    return { read: await this.layOut(now, options, cut) }
  }
}

const namesIn = (changes: readonly Change[]): string[] => [...new Set(changes.map(({ file }) => file))]

/** Whether a name stays inside the workspace: relative, with forward slashes, without any way up. */
const isRelative = (file: string): boolean =>
  file !== '' && !path.posix.isAbsolute(file) && file.split('/').every((part) => !/^\.{0,2}$/.test(part))

/** Taken before the file is read, so that what changes while it is read tells. */
const statOf = ({ size, modifiedMs, changedMs }: Stat): Stat | undefined =>
  Date.now() - Math.max(modifiedMs, changedMs) > coarseClock ? { size, modifiedMs, changedMs } : undefined

const isSame = ({ stat, name }: HeldFile, source: SourceFile): boolean =>
  name !== '' &&
  stat?.size === source.size &&
  stat.modifiedMs === source.modifiedMs &&
  stat.changedMs === source.changedMs
