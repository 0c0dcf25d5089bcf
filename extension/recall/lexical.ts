/**
 * The lexical head: BM25 (Robertson and Zaragoza 2009; k1 1.2, b 0.75) over the terms of each unit's text, symbol and path,
 * with rarity from this repository; a symbol that the question names exactly goes first.
 */
import type { UnitReference } from '../protocol/types'
import { UseIndex } from './uses'
import { questionWords, terms } from './words'

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

export class LexicalIndex {
  /** Which unit writes the name of which. */
  readonly uses = new UseIndex()
  private readonly files = new Map<string, FileTerms>()
  /** In how many units a term occurs. */
  private readonly unitsWith = new Map<string, number>()
  private unitCount = 0
  private totalLength = 0

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

  /** Scores of the units of `files`, one file after the other. */
  score(files: readonly string[], question: string): Float32Array {
    const wanted = new Map<string, number>()
    const named = new Set<string>()
    for (const word of questionWords(question)) {
      for (const term of word.terms) {
        const n = this.unitsWith.get(term)
        if (n !== undefined) wanted.set(term, Math.log(1 + (this.unitCount - n + 0.5) / (n + 0.5)))
      }
      // A single everyday word is no name; `parse_header`, `HTTPAdapter` and `Session` are.
      if (word.terms.length > 1 || /^\p{Lu}.*\p{Ll}/u.test(word.word)) named.add(word.word.toLowerCase())
    }
    const mean = this.unitCount > 0 ? this.totalLength / this.unitCount : 1
    const bonus = symbolBonus * Math.log(1 + this.unitCount)
    const scores: number[] = []
    for (const file of files) {
      const held = this.files.get(file)
      held?.units.forEach((unit, i) => {
        const count = held.counts[i]
        const length = held.lengths[i] ?? 0
        let score = 0
        for (const [term, weight] of wanted) {
          const n = count?.get(term)
          if (n !== undefined) score += (weight * n * (k1 + 1)) / (n + k1 * (1 - b + (b * length) / mean))
        }
        if (named.size > 0 && isNamed(unit.symbol, named)) score += bonus
        scores.push(score)
      })
    }
    return Float32Array.from(scores)
  }
}

/** Whether a question names this symbol: `Session.send`, or its last part. */
function isNamed(symbol: string, named: ReadonlySet<string>): boolean {
  if (symbol === '') return false
  const lower = symbol.toLowerCase()
  return named.has(lower) || named.has(lower.slice(lower.lastIndexOf('.') + 1))
}
