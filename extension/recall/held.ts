/**
 * What is held of a workspace in this process: of each file its units, their keys (in the native store) and their words (in the
 * lexical index), always of one reading. Questions are asked of this; memory.ts brings it to what is on disk.
 */
import type { NativeEpisode, NativeStore } from '../engine/addon'
import type { HeldTotals, Unit, UnitReference, HeldFile as OutlinedFile } from '../protocol/types'
import { shortHash } from '../store/folder'
import type { SourceFile } from '../workspace/discovery'
import { cutUnits } from '../workspace/units'
import { unitTexts } from './episode'
import type { FileWords } from './file-words'
import { KinWords } from './kin'
import { LexicalIndex } from './lexical'
import type { LoadedModel } from './loaded'
import { headsOf } from './profile'
import { standingsOf, type UnitStandings } from './standing'

export type Stat = Pick<SourceFile, 'size' | 'modifiedMs' | 'changedMs'>

export interface HeldFile {
  readonly units: readonly UnitReference[]
  /** Of the segment (store/naming.ts); empty while units of an older reading stand in. */
  readonly name: string
  /** That were read, header and breadcrumbs included. */
  readonly tokens: number
  /** Hashes of the text and of each unit's: what did not change keeps its keys. */
  readonly mark: string
  readonly marks: readonly string[]
  /** Undefined where it says nothing: nobody has saved the text, or only just. */
  readonly stat?: Stat | undefined
  /** It outlives this process. */
  readonly kept: boolean
}

/** One reading of a file. */
export interface Reading {
  readonly file: string
  readonly text: string
  readonly name: string
  readonly units: readonly Unit[]
  /** Of the units' texts, where they were counted before. */
  readonly words?: FileWords
  readonly tokens: number
  readonly stat?: Stat | undefined
  readonly kept: boolean
}

/** A held file with its keys, to stand in for what it became. */
export interface Standing {
  readonly held: HeldFile
  readonly episode: NativeEpisode
}

/** By unit: the number of its file, and what it stands for. */
export interface UnitTable {
  readonly fileOf: Uint32Array
  readonly standings: UnitStandings
}

interface Listed extends UnitTable {
  readonly files: readonly string[]
  readonly units: readonly UnitReference[]
}

export class HeldFiles {
  readonly lexical = new LexicalIndex()
  readonly kin: KinWords
  readonly store: NativeStore
  protected readonly held = new Map<string, HeldFile>()
  /** What files(), units() and table() give, until a file comes or goes. */
  private listed: Listed | undefined
  /** The list that the store has arranged. */
  private arranged: Listed | undefined

  constructor(
    readonly root: string,
    readonly loaded: LoadedModel,
  ) {
    this.kin = new KinWords(loaded)
    this.store = new loaded.addon.Store(loaded.model, headsOf(loaded.profile), loaded.profile.keyFormat)
  }

  /** Files that are held, by name. */
  files(): readonly string[] {
    return this.list().files
  }

  unitsOf(file: string): readonly UnitReference[] {
    return this.held.get(file)?.units ?? []
  }

  /** Whether a reading of this text is held, for which it was looked through; units that stand in for one say nothing. */
  isRead(file: string, text: string): boolean {
    const held = this.held.get(file)
    return held !== undefined && held.name !== '' && held.mark === shortHash(text)
  }

  /** Every file that is held, with its units. */
  outline(): OutlinedFile[] {
    return Array.from(this.sizes(), (size) => ({ ...size, units: this.unitsOf(size.file) }))
  }

  /** Every file that is held, with its tokens, by name. */
  *sizes(): Iterable<{ readonly file: string; readonly tokens: number }> {
    for (const file of this.files()) yield { file, tokens: this.held.get(file)?.tokens ?? 0 }
  }

  /** Units of all files, in the order in which the store scores `files()`. */
  units(): readonly UnitReference[] {
    return this.list().units
  }

  /** What a question needs of all units and does not change. */
  table(): UnitTable {
    return this.list()
  }

  /** Has the store score these files, in this order. Only where there are recall heads. */
  arrange(): void {
    const listed = this.list()
    if (this.arranged === listed) return
    this.store.arrange(listed.files)
    this.arranged = listed
  }

  /** Files, units and tokens that are held, and their bytes. */
  totals(): HeldTotals {
    let [units, tokens] = [0, 0]
    for (const held of this.held.values()) {
      units += held.units.length
      tokens += held.tokens
    }
    return { files: this.held.size, units, tokens, memoryBytes: this.store.bytes() }
  }

  /** Without an episode (the model has no recall heads) words alone find it. Throws bad-segment when it was read for other heads. */
  protected hold(
    { file, text, name, units, words, tokens, stat, kept }: Reading,
    episode: NativeEpisode | undefined,
  ): void {
    if (episode) this.store.put(file, episode)
    const references = units.map((unit) => ({ file, ...unit }))
    const texts = unitTexts(text, units)
    const [mark, marks] = [shortHash(text), texts.map(shortHash)]
    this.held.set(file, { units: references, name, tokens, mark, marks, stat, kept })
    this.listed = undefined
    this.lexical.put(file, references, words ?? texts)
  }

  protected drop(file: string): void {
    if (!this.held.delete(file)) return
    this.listed = undefined
    this.store.remove(file)
    this.lexical.remove(file)
  }

  protected standing(file: string): Standing | undefined {
    const held = this.loaded.profile.heads.length > 0 ? this.held.get(file) : undefined
    return held && { held, episode: this.store.get(file) }
  }

  /** For a file of which nothing was held before: no keys, any shape that fits. */
  protected blank(): Standing | undefined {
    for (const file of this.held.keys()) {
      const standing = this.standing(file)
      if (standing) return { ...standing, held: { ...standing.held, marks: [] } }
    }
    return undefined
  }

  /**
   * Until a file is read, units whose text is what it was keep their keys, and all are found by their words. Where nothing was held
   * before, attention is neutral for all of them.
   */
  protected async stand(file: string, text: string, from: Standing, log: (message: string) => void): Promise<void> {
    const units = await cutUnits(file, text, { warn: log })
    const free = new Map<string, number[]>()
    for (const [i, mark] of from.held.marks.entries()) free.set(mark, [...(free.get(mark) ?? []), i])
    const picked = unitTexts(text, units).map((unit) => free.get(shortHash(unit))?.shift() ?? -1)
    const reading = { file, text, name: '', units, tokens: 0, kept: false }
    this.hold(reading, from.episode.pick(Int32Array.from(picked)))
  }

  private list(): Listed {
    if (this.listed) return this.listed
    const files = [...this.held.keys()].sort()
    const units: UnitReference[] = []
    const ends = files.map((file) => {
      for (const unit of this.unitsOf(file)) units.push(unit)
      return units.length
    })
    const fileOf = new Uint32Array(units.length)
    ends.forEach((end, number) => fileOf.fill(number, ends[number - 1] ?? 0, end))
    return (this.listed = { files, units, fileOf, standings: standingsOf(units) })
  }
}
