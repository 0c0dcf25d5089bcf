/**
 * The lexical head: BM25 (Robertson and Zaragoza 2009; k1 1.2, b 0.75) over the terms of each unit's text, symbol and path,
 * with rarity from this repository; a symbol that the question names exactly goes first.
 */
import type { UnitReference } from '../protocol/types'
import { countWords, type FileWords } from './file-words'
import { UseIndex } from './uses'
import { identifiers, questionWords, termsOf, type QuestionWord } from './words'

const k1 = 1.2
const b = 0.75
/** A term of the symbol counts like so many of the text (development repositories, words alone: unit MRR .394; 1 .383, 5 .390). */
const symbolTimes = 3
/** Added for a question word that is a unit's own symbol, in units of the largest rarity. */
const symbolBonus = 2

/** A file's units and terms. Units are numbered as they come; numbers of what has gone are not used again. */
interface FileTerms {
  readonly units: readonly UnitReference[]
  /** Number of its first unit. */
  readonly first: number
  /** Each unit's terms, by number, with how often they occur, pairs; one unit after the other. */
  readonly counts: Uint32Array
  /** Where each unit's pairs end. */
  readonly ends: Uint32Array
}

/** A term that may stand for another, by how much it counts then (0 to 1). */
export interface Kin {
  readonly term: string
  readonly likeness: number
}
export type KinOf = (term: string) => readonly Kin[]

interface Placed {
  readonly of: readonly string[]
  /** By a unit's number: its place among the units of the files; -1 where it has gone. */
  readonly places: Int32Array
  readonly units: number
}

/** Words whose terms are remembered. */
const mostKnown = 200_000

/** Units that have gone are taken out of the postings when they are as many as the others, and at least so many. */
const mostGone = 1024

export class LexicalIndex {
  /** Which unit writes the name of which. */
  readonly uses = new UseIndex()
  private readonly files = new Map<string, FileTerms>()
  private readonly numbers = new Map<string, number>()
  private readonly names: string[] = []
  /** By a term's number: in how many units it occurs. */
  private readonly unitsWith: number[] = []
  /** By a term's number: units and counts, pairs, those of units that have gone among them. */
  private postings: number[][] = []
  /** Units by what a question may name them. */
  private symbols = new Map<string, number[]>()
  /** What words are made of, by number; forgotten when there are many. */
  private readonly known = new Map<string, readonly number[]>()
  /** By a term's number: where its pair stood in what was counted last. */
  private readonly pairs: number[] = []
  /** By a unit's number: how many terms it has. */
  private lengths: number[] = []
  private unitCount = 0
  private totalLength = 0
  private placed: Placed | undefined
  /** Raised whenever a file comes or goes. */
  version = 0

  /** Adds or replaces a file; `texts` are the units' texts, or their words, counted before. */
  put(file: string, units: readonly UnitReference[], texts: readonly string[] | FileWords): void {
    this.remove(file)
    const written = 'words' in texts ? texts : countWords(texts)
    const numbersOf = (words: readonly string[]) => words.flatMap((word) => this.termsOf(word))
    const path = numbersOf(identifiers(file))
    // By the word's number in the file: its terms.
    const termsOf: (readonly number[] | undefined)[] = []
    const counts: number[] = []
    const first = this.lengths.length
    let at = 0
    const ends = Uint32Array.from(units, (unit, i) => {
      const start = counts.length
      let length = 0
      const add = (number: number, times: number) => {
        length += times
        const place = this.pairs[number] ?? -1
        if (place >= start && counts[place] === number) counts[place + 1] = (counts[place + 1] ?? 0) + times
        else {
          this.pairs[number] = counts.length
          counts.push(number, times)
        }
      }
      for (const number of path) add(number, 1)
      for (; at < (written.ends[i] ?? 0); at += 2) {
        const word = written.counts[at] ?? 0
        const terms = (termsOf[word] ??= this.termsOf(written.words[word] ?? ''))
        for (const number of terms) add(number, written.counts[at + 1] ?? 0)
      }
      for (const number of numbersOf(identifiers(unit.symbol))) add(number, symbolTimes)
      this.lengths.push(length)
      return counts.length
    })
    const held: FileTerms = { units, first, counts: Uint32Array.from(counts), ends }
    this.files.set(file, held)
    this.post(held)
    units.forEach((_, i) => (this.totalLength += this.lengths[first + i] ?? 0))
    this.unitCount += units.length
    for (let at = 0; at < counts.length; at += 2) {
      const number = counts[at] ?? 0
      this.unitsWith[number] = (this.unitsWith[number] ?? 0) + 1
    }
    this.uses.put(file, units, written)
  }

  remove(file: string): void {
    this.placed = undefined
    this.version++
    const held = this.files.get(file)
    if (!held) return
    for (let at = 0; at < held.counts.length; at += 2) {
      const number = held.counts[at] ?? 0
      this.unitsWith[number] = (this.unitsWith[number] ?? 1) - 1
    }
    held.units.forEach((_, i) => (this.totalLength -= this.lengths[held.first + i] ?? 0))
    this.unitCount -= held.units.length
    this.files.delete(file)
    this.uses.remove(file)
    if (this.lengths.length > 2 * this.unitCount + mostGone) this.tidy()
  }

  /** log(1 + units / units with the term); a term that occurs nowhere counts as if in one unit. */
  rarity(term: string): number {
    return Math.log(1 + this.unitCount / Math.max(1, this.occurrences(this.numbers.get(term))))
  }

  /** True when the term occurs anywhere. */
  knows(term: string): boolean {
    return this.occurrences(this.numbers.get(term)) > 0
  }

  /** All terms that ever occurred, by number. */
  vocabulary(): readonly string[] {
    return this.names
  }

  /** In how many units the term of this number occurs. */
  occurrences(number: number | undefined): number {
    return number === undefined ? 0 : (this.unitsWith[number] ?? 0)
  }

  /** The number of a term that occurs, or ever did. */
  number(term: string): number | undefined {
    return this.numbers.get(term)
  }

  /**
   * Scores of the units of `files`, one file after the other. `kin` gives terms that may stand for one of the question's: a
   * unit gets what the best of them gives it.
   */
  score(files: readonly string[], question: string, kin: KinOf = () => []): Float32Array {
    const { places } = this.place(files)
    const words = questionWords(question)
    const scores = this.matches(files, wantedOf(words), kin)
    const named = namesIn(words)
    const bonus = symbolBonus * Math.log(1 + this.unitCount)
    const lifted = new Set<number>()
    for (const name of named)
      for (const unit of this.symbols.get(name) ?? []) {
        const place = places[unit] ?? -1
        if (place < 0 || lifted.has(place)) continue
        lifted.add(place)
        scores[place] = (scores[place] ?? 0) + bonus
      }
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
    const { places, units } = this.place(files)
    const mean = this.unitCount > 0 ? this.totalLength / this.unitCount : 1
    const scores = new Float32Array(units)
    // What the best of a term's kin gives each unit, and which units got something.
    const best = new Float64Array(units)
    const touched: number[] = []
    for (const term of wanted) {
      for (const { term: stand, likeness } of [{ term, likeness: 1 }, ...kin(term)]) {
        const number = this.numbers.get(stand)
        const n = this.occurrences(number)
        if (number === undefined || n === 0) continue
        const found = this.postings[number] ?? []
        const weight = likeness * Math.log(1 + (this.unitCount - n + 0.5) / (n + 0.5))
        for (let i = 0; i < found.length; i += 2) {
          const unit = found[i] ?? 0
          const place = places[unit] ?? -1
          if (place < 0) continue
          const count = found[i + 1] ?? 0
          const gain = (weight * count * (k1 + 1)) / (count + k1 * (1 - b + (b * (this.lengths[unit] ?? 0)) / mean))
          const known = best[place] ?? 0
          if (gain <= known) continue
          if (known === 0) touched.push(place)
          best[place] = gain
        }
      }
      for (const place of touched) {
        scores[place] = (scores[place] ?? 0) + (best[place] ?? 0)
        best[place] = 0
      }
      touched.length = 0
    }
    return scores
  }

  /** Where the units of `files` stand. Found once for the same list. */
  private place(files: readonly string[]): Placed {
    if (this.placed?.of === files) return this.placed
    const places = new Int32Array(this.lengths.length).fill(-1)
    let units = 0
    for (const file of files) {
      const held = this.files.get(file)
      for (let i = 0; i < (held?.units.length ?? 0); i++) places[(held?.first ?? 0) + i] = units++
    }
    return (this.placed = { of: files, places, units })
  }

  /** Numbers of the terms of a word. */
  private termsOf(word: string): readonly number[] {
    let numbers = this.known.get(word)
    if (numbers === undefined) {
      if (this.known.size >= mostKnown) this.known.clear()
      this.known.set(word, (numbers = termsOf(word).map((term) => this.numberOf(term))))
    }
    return numbers
  }

  private numberOf(term: string): number {
    let number = this.numbers.get(term)
    if (number === undefined) {
      this.numbers.set(term, (number = this.names.length))
      this.names.push(term)
      this.unitsWith.push(0)
      this.postings.push([])
    }
    return number
  }

  private post({ units, first, counts, ends }: FileTerms): void {
    let at = 0
    units.forEach(({ symbol }, i) => {
      for (; at < (ends[i] ?? 0); at += 2) this.postings[counts[at] ?? 0]?.push(first + i, counts[at + 1] ?? 0)
      for (const name of callsOf(symbol)) {
        const known = this.symbols.get(name)
        if (known === undefined) this.symbols.set(name, [first + i])
        else known.push(first + i)
      }
    })
  }

  /** Numbers the units anew, so that nothing is left of those that have gone. */
  private tidy(): void {
    const lengths: number[] = []
    this.postings = this.names.map(() => [])
    this.symbols = new Map()
    for (const [file, held] of this.files) {
      const moved = { ...held, first: lengths.length }
      held.units.forEach((_, i) => lengths.push(this.lengths[held.first + i] ?? 0))
      this.files.set(file, moved)
      this.post(moved)
    }
    this.lengths = lengths
  }
}

/** The terms of a question, each once. */
const wantedOf = (words: readonly QuestionWord[]): ReadonlySet<string> => new Set(words.flatMap(({ terms }) => terms))

/** Names of code in a question. A single everyday word is none; `parse_header`, `HTTPAdapter` and `Session` are. */
function namesIn(words: readonly QuestionWord[]): Set<string> {
  const names = words.filter(({ word, terms }) => terms.length > 1 || /^\p{Lu}.*\p{Ll}/u.test(word))
  return new Set(names.map(({ word }) => word.toLowerCase()))
}

/** What a question may call this symbol: `session.send`, or its last part. */
function callsOf(symbol: string): readonly string[] {
  if (symbol === '') return []
  const lower = symbol.toLowerCase()
  const last = lower.slice(lower.lastIndexOf('.') + 1)
  return last === lower ? [lower] : [lower, last]
}
