/**
 * The memory of one workspace: every file that was read, its units, their keys (in the native store) and their words (in the
 * lexical index). Reading discovers the files, reuses what is stored on disk for the same content, reads the rest and stores it.
 */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import * as path from 'node:path'
import { cancellable, type NativeAddon, type NativeModel, type NativeStore } from '../engine/addon'
import { cancelled, diskFailure, LongreadError } from '../errors'
import type { HeldFile, Progress, SkippedFile, StreamResult, Unit, UnitReference } from '../protocol/types'
import { discover, readSource } from '../workspace/discovery'
import { cutUnits } from '../workspace/units'
import { bankOf, type Bank } from './bank'
import { layOut, unitTexts } from './episode'
import { LexicalIndex } from './lexical'
import { headsOf, profileKey, type Profile } from './profile'
import { ProgressMeter } from './progress'

export interface LoadedModel {
  readonly addon: NativeAddon
  readonly model: NativeModel
  /** Names the weights in the keys of what is stored. */
  readonly fingerprint: string
  readonly profile: Profile
  /** Processor threads for scoring. */
  readonly threads: number
}

export interface ReadOptions {
  readonly breadcrumbs: boolean
  /** Folder of segments, or null: nothing is written. */
  readonly folder: string | null
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly log: (message: string) => void
}

interface Held {
  readonly units: readonly UnitReference[]
  readonly hash: string
  readonly tokens: number
}

interface Listeners {
  readonly onTokens: (tokens: number, of: number) => void
  /** The bank was heard, which took so long. */
  readonly onHeard: (milliseconds: number) => void
}

/** What a segment says of itself beside keys. */
interface Metadata {
  readonly units: readonly Unit[]
  readonly tokens: number
}

/** Files are read by the model while the next ones are fetched from disk, cut and tokenised. */
export class Memory {
  readonly lexical = new LexicalIndex()
  readonly store: NativeStore
  private readonly held = new Map<string, Held>()
  /** What files() and units() give, until a file comes or goes. */
  private listed: { readonly files: string[]; readonly units: UnitReference[] } | undefined
  private bank: Bank | undefined
  private diskFailed = false

  constructor(
    readonly root: string,
    readonly loaded: LoadedModel,
  ) {
    this.store = new loaded.addon.Store(loaded.model, headsOf(loaded.profile), loaded.profile.keyFormat)
  }

  /** Files that are held, by name. */
  files(): readonly string[] {
    return this.list().files
  }

  unitsOf(file: string): readonly UnitReference[] {
    return this.held.get(file)?.units ?? []
  }

  /** Every file that is held, with its units. */
  outline(): HeldFile[] {
    return this.files().map((file) => ({ file, tokens: this.held.get(file)?.tokens ?? 0, units: this.unitsOf(file) }))
  }

  /** Units of all files, in the order in which the store scores `files()`. */
  units(): readonly UnitReference[] {
    return this.list().units
  }

  private list() {
    if (this.listed) return this.listed
    const files = [...this.held.keys()].sort()
    return (this.listed = { files, units: files.flatMap((file) => [...this.unitsOf(file)]) })
  }

  /** Brings the memory to what is on disk now. Rejects with `cancelled`; what was read until then stays. */
  async read(options: ReadOptions): Promise<StreamResult> {
    const started = performance.now()
    const { signal } = options
    const found = await discover(this.root, { signal, onProgress: options.progress })
    const skipped: SkippedFile[] = [...found.skipped]
    const present = new Set(found.files.map(({ file }) => file))
    for (const file of this.files()) if (!present.has(file)) this.drop(file)
    if (options.folder !== null) await this.prepare(options.folder)

    const meter = new ProgressMeter('read', 'tokens', options.progress)
    // Bytes tell how far reading is; tokens a byte are learned on the way.
    const totalBytes = found.files.reduce((sum, { size }) => sum + size, 0)
    let bytes = 0
    let reused = 0
    let hearing = 0
    let tokensRead = 0
    for (const { file, size, wanted } of found.files) {
      if (signal.aborted) throw cancelled()
      const source = await readSource(this.root, file, { wanted })
      if ('skipped' in source) {
        this.drop(file)
        skipped.push({ file, reason: source.skipped })
        bytes += size
        continue
      }
      const estimate = (now: number, part: number) => {
        const share = (bytes + size * part) / Math.max(1, totalBytes)
        meter.report(now, share > 0.002 ? Math.round(now / share) : 0, file)
      }
      const outcome = await this.readFile(file, source.text, options, {
        onTokens: (tokens, of) => estimate(tokensRead + tokens, of > 0 ? tokens / of : 1),
        onHeard: (milliseconds) => {
          hearing += milliseconds
          meter.skip(milliseconds)
        },
      })
      if (outcome.reused) reused++
      else tokensRead += outcome.tokens
      bytes += size
      estimate(tokensRead, 0)
    }
    const seconds = (performance.now() - started) / 1000
    meter.finish(tokensRead)
    const files = [...this.held.values()]
    const tokens = files.reduce((sum, held) => sum + held.tokens, 0)
    return {
      files: files.length,
      skipped: skipped.sort((a, b) => (a.file < b.file ? -1 : 1)),
      units: files.reduce((sum, held) => sum + held.units.length, 0),
      tokens,
      seconds,
      tokensPerSecond: seconds > 0 ? tokensRead / (seconds - hearing / 1000) : 0,
      memoryBytes: this.store.bytes(),
      reused,
    }
  }

  private drop(file: string): void {
    if (!this.held.delete(file)) return
    this.listed = undefined
    this.store.remove(file)
    this.lexical.remove(file)
  }

  /** From here on the file counts as held; its keys are in the store already. `texts` are its units'. */
  protected hold(file: string, hash: string, { units, tokens }: Metadata, texts: readonly string[]): void {
    const references = units.map((unit) => ({ file, ...unit }))
    this.held.set(file, { units: references, hash, tokens })
    this.listed = undefined
    this.lexical.put(file, references, texts)
  }

  private async readFile(
    file: string,
    text: string,
    options: ReadOptions,
    { onTokens, onHeard }: Listeners,
  ): Promise<{ reused: boolean; tokens: number }> {
    const hash = this.hash(file, text, options.breadcrumbs)
    if (this.held.get(file)?.hash === hash) return { reused: true, tokens: 0 }
    const segment = options.folder === null ? null : path.join(options.folder, hash.slice(0, 2), `${hash}.segment`)
    if (segment !== null) {
      const metadata = await this.load(file, segment, options)
      if (metadata) {
        this.hold(file, hash, metadata, unitTexts(text, metadata.units))
        return { reused: true, tokens: 0 }
      }
    }
    const { addon, model, profile } = this.loaded
    const units = await cutUnits(file, text, { warn: options.log })
    const texts = unitTexts(text, units)
    const episode = layOut(model, file, units, texts, options.breadcrumbs)
    const bank = this.bank ?? (await this.hear(options, onHeard))
    const read = await cancellable(addon, options.signal, (cancel) =>
      model.read(
        {
          tokens: episode.tokens,
          units: episode.spans,
          heads: headsOf(profile),
          window: profile.window,
          sinks: profile.sinks,
          keyFormat: profile.keyFormat,
          bank,
        },
        cancel,
        (tokens) => onTokens(tokens, episode.tokens.length),
      ),
    )
    this.store.put(file, read)
    const metadata: Metadata = { units, tokens: episode.tokens.length }
    this.hold(file, hash, metadata, texts)
    if (segment !== null && !this.diskFailed) await this.save(file, segment, metadata, options)
    return { reused: false, tokens: episode.tokens.length }
  }

  private async hear(options: ReadOptions, onHeard: Listeners['onHeard']): Promise<Bank> {
    const started = performance.now()
    this.bank = await bankOf(this.loaded, options)
    onHeard(performance.now() - started)
    return this.bank
  }

  /** Names what reading this file gives: the same name, the same bytes. */
  private hash(file: string, text: string, breadcrumbs: boolean): string {
    const { fingerprint, profile } = this.loaded
    const head = JSON.stringify([segmentVersion, fingerprint, profileKey(profile), breadcrumbs, file])
    return createHash('sha256').update(head).update('\0').update(text).digest('hex')
  }

  private async prepare(folder: string): Promise<void> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw diskFailure(folder, cause)
    }
  }

  private async load(file: string, segment: string, options: ReadOptions): Promise<Metadata | undefined> {
    try {
      return JSON.parse(
        await cancellable(this.loaded.addon, options.signal, () => this.store.load(file, segment)),
      ) as Metadata
    } catch (thrown) {
      // Missing is the usual case; damaged is told, and read again.
      if (!(thrown instanceof LongreadError) || thrown.code !== 'bad-segment') throw thrown
      if (!thrown.message.includes('cannot be opened')) options.log(thrown.message)
      return undefined
    }
  }

  /** A full disk is told once; reading goes on in memory. */
  private async save(file: string, segment: string, metadata: Metadata, options: ReadOptions): Promise<void> {
    try {
      await mkdir(path.dirname(segment), { recursive: true, mode: 0o700 })
      await cancellable(this.loaded.addon, undefined, () => this.store.save(file, segment, JSON.stringify(metadata)))
    } catch (thrown) {
      this.diskFailed = true
      const error = thrown instanceof LongreadError ? thrown : diskFailure(segment, thrown)
      options.log(`${error.message} What is read from here on is kept only until the command ends.`)
    }
  }
}

/** Raised whenever the layout of episodes or the meaning of units changes: older segments are then read again. */
const segmentVersion = 1
