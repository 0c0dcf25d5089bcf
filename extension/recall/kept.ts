/**
 * Files into what is held: taken from what is kept on disk, or read by the model and then kept. Which files, and when,
 * is memory.ts's to say.
 */
import type { Unit } from '../protocol/types'
import { defaultLimit, Keeper } from '../store/keeper'
import { namingVersion, segmentName, type Naming } from '../store/naming'
import { secretInText, secretRules } from '../workspace/secrets'
import { hasCode } from '../store/folder'
import { cutHere, type Cutting } from './cutting'
import { unitTexts, type Episode } from './episode'
import type { FileWords } from './file-words'
import type { LoadedModel } from './loaded'
import { HeldFiles, type HeldFile, type Reading, type Stat } from './held'
import { profileKey } from './profile'
import { EpisodeReader, type EpisodeListeners } from './reading'

export interface MemoryOptions {
  readonly breadcrumbs: boolean
  /** Folder of the memory on disk, or null: nothing is written. */
  readonly folder: string | null
  /** Bytes that the folder may hold. */
  readonly limit?: number | undefined
  readonly log: (message: string) => void
}

/** A file's text as it is now, and what the file was like before it was read. */
export interface FileText extends Pick<Reading, 'file' | 'text' | 'stat'> {
  /** Nobody has saved this text: it is held, and nothing of it comes from disk or gets there. */
  readonly unsaved?: boolean
}

/** A file's text, ready for the model. */
export interface LaidOut extends FileText {
  readonly units: readonly Unit[]
  /** Of the units' texts. */
  readonly words: FileWords
  /** Undefined where words alone find it. */
  readonly episode: Episode | undefined
  /** That will be read, header and breadcrumbs included. */
  readonly tokens: number
}

export interface ReadingOptions {
  readonly signal: AbortSignal
  readonly log: (message: string) => void
}

/** It was held or kept already, or the model read so many tokens of it. */
export type Brought = { readonly how: 'held' | 'reused' } | { readonly how: 'read'; readonly tokens: number }

/** Files that are saved at once: the model and what is read next find a thread among those that save. */
const savesAtOnce = 4

const unheard: EpisodeListeners = { onTokens: () => undefined, onHeard: () => undefined, progress: () => undefined }

export class KeptFiles extends HeldFiles {
  private readonly naming: Naming
  readonly reader: EpisodeReader

  /** `keeper`: what keeps it on disk, if anything does. */
  constructor(
    root: string,
    loaded: LoadedModel,
    breadcrumbs = true,
    protected readonly keeper?: Keeper,
  ) {
    super(root, loaded)
    this.naming = namingOf(loaded, breadcrumbs)
    this.reader = new EpisodeReader(loaded, breadcrumbs, keeper?.folder.banks ?? null)
  }

  /** What keeps a workspace's memory on disk; undefined where nothing does. Throws usage when the folder may not be used. */
  protected static async keeperFor(root: string, loaded: LoadedModel, options: MemoryOptions) {
    const { breadcrumbs, folder, limit = defaultLimit, log } = options
    // Words are quicker found again than kept.
    if (folder === null || loaded.profile.heads.length === 0) return undefined
    const naming = namingOf(loaded, breadcrumbs)
    return Keeper.open(loaded.addon, { memory: folder, workspace: root, naming, limit, log })
  }

  /** Holds a file with this text, whatever stands on disk: taken from what is kept, or read now and kept. */
  async bring(source: FileText, options: ReadingOptions, listeners = unheard): Promise<Brought> {
    const how = await this.take(source)
    if (how) return { how }
    const laidOut = await this.layOut(source, options)
    await (
      await this.readNow([laidOut], options, listeners)
    ).kept
    return { how: 'read', tokens: laidOut.tokens }
  }

  /** A text cut to units and laid out, ready for the model. */
  protected async layOut(
    source: FileText,
    { log }: Pick<ReadingOptions, 'log'>,
    cut: Cutting = cutHere,
  ): Promise<LaidOut> {
    const { file, text } = source
    const { units, words } = await cut(file, text, log)
    const episode = await this.reader.layOut({ file, units, texts: unitTexts(text, units) })
    return { ...source, units, words, episode, tokens: episode?.tokens.length ?? 0 }
  }

  /** Reads files in one call of the model; then all of them are held. They are kept beside what follows, until `kept` resolves. */
  protected async readNow(
    files: readonly LaidOut[],
    { signal }: ReadingOptions,
    listeners: EpisodeListeners,
  ): Promise<{ readonly kept: Promise<void> }> {
    const laidOut = files.flatMap(({ episode }) => episode ?? [])
    const read = (await this.reader.read(laidOut, signal, listeners)).values()
    for (const { file, text, stat, units, words, tokens, episode } of files) {
      const name = segmentName(this.naming, file, text)
      const keys = episode && read.next().value
      this.hold({ file, text, name, units, words, tokens, stat, kept: false }, keys || undefined)
    }
    const saved = files.filter(({ unsaved }) => unsaved !== true)
    const kept = this.keepAll(saved)
    // Whoever waits for it hears of what went wrong; nobody may.
    kept.catch(() => undefined)
    return { kept }
  }

  private async keepAll(files: readonly FileText[]): Promise<void> {
    const left = files.values()
    const lane = async () => {
      for (const { file, stat } of left) await this.keep(file, stat)
    }
    await Promise.all(Array.from({ length: Math.min(savesAtOnce, files.length) }, lane))
  }

  /** Without the model: it is held already or taken from what is kept; otherwise undefined. */
  protected async take(source: FileText): Promise<'held' | 'reused' | undefined> {
    const { file, stat, unsaved } = source
    const held = this.holds(source)
    if (unsaved === true) return held ? 'held' : undefined
    if (held) await this.keep(file, stat)
    else if (!(await this.takeKept(source))) return undefined
    return held ? 'held' : 'reused'
  }

  /** Whether what is held of a file is a reading of this text. */
  protected holds({ file, text }: Pick<FileText, 'file' | 'text'>): boolean {
    return this.held.get(file)?.name === segmentName(this.naming, file, text)
  }

  private async takeKept({ file, text, stat }: FileText): Promise<boolean> {
    const name = segmentName(this.naming, file, text)
    const stored = await this.keeper?.load(file, name)
    if (!stored) return false
    const { episode, metadata } = stored
    if (metadata.secretRules !== secretRules) {
      // Rules have learned since it was looked through.
      if ((await secretInText(file, text)) !== undefined) return false
      await this.keeper?.save(episode, { ...metadata, secretRules })
    }
    const { units, tokens } = metadata
    try {
      this.hold({ file, text, name, units, tokens, stat, kept: true }, episode)
    } catch (thrown) {
      if (!hasCode(thrown, 'bad-segment')) throw thrown
      return false
    }
    return true
  }

  /** Puts what is held on disk, where it is not yet: it was not saved then, or there was no room. */
  private async keep(file: string, stat: Stat | undefined): Promise<void> {
    const held = this.held.get(file)
    if (held) this.held.set(file, { ...held, kept: held.kept || (await this.save(file, held)), stat })
  }

  private async save(file: string, { name, units: references, tokens }: HeldFile): Promise<boolean> {
    if (!this.keeper) return false
    const units = references.map(({ startLine, endLine, kind, symbol }) => ({ startLine, endLine, kind, symbol }))
    return this.keeper.save(this.store.get(file), { name, file, units, tokens, secretRules })
  }
}

const namingOf = ({ fingerprint, profile }: LoadedModel, breadcrumbs: boolean): Naming => ({
  version: namingVersion,
  model: fingerprint,
  profile: profileKey(profile),
  breadcrumbs,
})
