/**
 * The lexical head: BM25 (Robertson and Zaragoza 2009; k1 1.2, b 0.75) over the terms of each unit's text, symbol and path,
 * with rarity from this repository; a symbol that the question names exactly goes first.
 */
import type { UnitReference } from '../protocol/types'
import { UseIndex } from './uses'
import { questionWords, terms, type QuestionWord } from './words'

const k1 = 1.2
const b = 0.75
/** A term of the symbol counts like so many of the text (development repositories, words alone: unit MRR .394; 1 .383, 5 .390). */
const symbolTimes = 3
/** Added for a question word that is a unit's own symbol, in units of the largest rarity. */
const symbolBonus = 2

interface FileTerms {
  readonly units: readonly UnitReference[]
  /** Terms of each unit with how often they occur. */
  readonly counts: readonly ReadonlyMap<string, number>[]
  readonly lengths: readonly number[]
}

/** A term that may stand for another, by how much it counts then (0 to 1). */
export interface Kin {
  readonly term: string
  readonly likeness: number
}
export type KinOf = (term: string) => readonly Kin[]

interface Inverted {
  readonly of: readonly string[]
  /** Unit and count, pairs. */
  readonly postings: ReadonlyMap<string, readonly number[]>
  readonly lengths: readonly number[]
  readonly symbols: readonly string[]
}

export class LexicalIndex {
  /** Which unit writes the name of which. */
  readonly uses = new UseIndex()
  private readonly files = new Map<string, FileTerms>()
  /** In how many units a term occurs. */
  private readonly unitsWith = new Map<string, number>()
  private unitCount = 0
  private totalLength = 0
  private inverted: Inverted | undefined

  /** Adds or replaces a file; `texts` are the units' texts. */
  put(file: string, units: readonly UnitReference[], texts: readonly string[]): void {
    this.remove(file)
    const counts: Map<string, number>[] = []
    const lengths: number[] = []
    units.forEach((unit, i) => {
      const symbol = terms(unit.symbol)
      const all = terms(`${unit.file} ${texts[i] ?? ''}`)
      for (let times = 0; times < symbolTimes; times++) all.push(...symbol)
      const count = new Map<string, number>()
      for (const term of all) count.set(term, (count.get(term) ?? 0) + 1)
      for (const term of count.keys()) this.unitsWith.set(term, (this.unitsWith.get(term) ?? 0) + 1)
      counts.push(count)
      lengths.push(all.length)
      this.totalLength += all.length
    })
    this.unitCount += units.length
    this.files.set(file, { units, counts, lengths })
    this.uses.put(file, units, texts)
  }

  remove(file: string): void {
    this.inverted = undefined
    const held = this.files.get(file)
    if (!held) return
    for (const count of held.counts)
      for (const term of count.keys()) {
        const left = (this.unitsWith.get(term) ?? 1) - 1
        if (left > 0) this.unitsWith.set(term, left)
        else this.unitsWith.delete(term)
      }
    for (const length of held.lengths) this.totalLength -= length
    this.unitCount -= held.units.length
    this.files.delete(file)
    this.uses.remove(file)
  }

  /** log(1 + units / units with the term); a term that occurs nowhere counts as if in one unit. */
  rarity(term: string): number {
    return Math.log(1 + this.unitCount / Math.max(1, this.unitsWith.get(term) ?? 0))
  }

  /** True when the term occurs anywhere. */
  knows(term: string): boolean {
    return this.unitsWith.has(term)
  }

  /** All terms that occur. */
  vocabulary(): Iterable<string> {
    return this.unitsWith.keys()
  }

  /**
   * Scores of the units of `files`, one file after the other. `kin` gives terms that may stand for one of the question's: a
   * unit gets what the best of them gives it.
   */
  score(files: readonly string[], question: string, kin: KinOf = () => []): Float32Array {
    const { symbols } = this.invert(files)
    const words = questionWords(question)
    const scores = this.matches(files, wantedOf(words), kin)
    const named = namesIn(words)
    const bonus = symbolBonus * Math.log(1 + this.unitCount)
    if (named.size > 0)
      symbols.forEach((symbol, unit) => {
        if (isNamed(symbol, named)) scores[unit] = (scores[unit] ?? 0) + bonus
      })
    return scores
  }

  /**
   * How much of a question its own words can answer for, from 0 to 1: what they give the best unit of `files` of what they would
   * give one that writes all of them over and over. Words that occur nowhere count against it, kin and names are left out.
   */
  coverage(files: readonly string[], question: string): number {
    const wanted = wantedOf(questionWords(question))
    let most = 0
    for (const term of wanted) most += (k1 + 1) * this.rarity(term)
    if (most === 0) return 0
    const best = this.matches(files, wanted, () => []).reduce((top, score) => Math.max(top, score), 0)
    return Math.min(1, best / most)
  }

  /** BM25 of the terms `wanted`. */
  private matches(files: readonly string[], wanted: ReadonlySet<string>, kin: KinOf): Float32Array {
    const { postings, lengths } = this.invert(files)
    const mean = this.unitCount > 0 ? this.totalLength / this.unitCount : 1
    const scores = new Float32Array(lengths.length)
    const best = new Map<number, number>()
    for (const term of wanted) {
      best.clear()
      for (const { term: stand, likeness } of [{ term, likeness: 1 }, ...kin(term)]) {
        const found = postings.get(stand)
        if (found === undefined) continue
        const n = this.unitsWith.get(stand) ?? 0
        const weight = likeness * Math.log(1 + (this.unitCount - n + 0.5) / (n + 0.5))
        for (let i = 0; i < found.length; i += 2) {
          const unit = found[i] ?? 0
          const count = found[i + 1] ?? 0
          const gain = (weight * count * (k1 + 1)) / (count + k1 * (1 - b + (b * (lengths[unit] ?? 0)) / mean))
          if (gain > (best.get(unit) ?? 0)) best.set(unit, gain)
        }
      }
      for (const [unit, gain] of best) scores[unit] = (scores[unit] ?? 0) + gain
    }
    return scores
  }

  /** The units of `files` by term. Made once for the same list. */
  private invert(files: readonly string[]): Inverted {
    if (this.inverted?.of === files) return this.inverted
    const lists = new Map<string, number[]>()
    const lengths: number[] = []
    const symbols: string[] = []
    for (const file of files) {
      const held = this.files.get(file)
      held?.units.forEach((unit, i) => {
        for (const [term, count] of held.counts[i] ?? []) {
          const list = lists.get(term)
          if (list === undefined) lists.set(term, [lengths.length, count])
          else list.push(lengths.length, count)
        }
        lengths.push(held.lengths[i] ?? 0)
        symbols.push(unit.symbol)
      })
    }
    return (this.inverted = { of: files, postings: lists, lengths, symbols })
  }
}

/** The terms of a question, each once. */
const wantedOf = (words: readonly QuestionWord[]): ReadonlySet<string> => new Set(words.flatMap(({ terms }) => terms))

/** Names of code in a question. A single everyday word is none; `parse_header`, `HTTPAdapter` and `Session` are. */
function namesIn(words: readonly QuestionWord[]): Set<string> {
  const names = words.filter(({ word, terms }) => terms.length > 1 || /^\p{Lu}.*\p{Ll}/u.test(word))
  return new Set(names.map(({ word }) => word.toLowerCase()))
}

/** Whether a question names this symbol: `Session.send`, or its last part. */
function isNamed(symbol: string, named: ReadonlySet<string>): boolean {
  if (symbol === '') return false
  const lower = symbol.toLowerCase()
  return named.has(lower) || named.has(lower.slice(lower.lastIndexOf('.') + 1))
}
