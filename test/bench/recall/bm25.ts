/**
 * BM25 over units: what full-text search does today. Identifiers are split at underscores, case and digits and kept whole as
 * well; a unit's text is joined by its path and symbol. k1 = 1.2, b = 0.75, the textbook's values.
 */
import type { BenchUnit, Ranker, Ranking } from './ranker'

const k1 = 1.2
const b = 0.75

/** `parseHTTPHeader_2` gives parse, http, header, 2 and, being made of several, parsehttpheader_2. */
export function wordsOf(text: string): string[] {
  const words: string[] = []
  for (const [identifier] of text.matchAll(/[\p{L}\p{N}_$]+/gu)) {
    const parts = identifier.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+|\p{Lo}+/gu) ?? []
    for (const part of parts) words.push(part.toLowerCase())
    if (parts.length > 1) words.push(identifier.toLowerCase())
  }
  return words
}

const stopWords = new Set(
  'a an and are as at be by for from has have if in into is it its of on or that the this to was when which will with you your'.split(
    ' ',
  ),
)

interface Posting {
  readonly unit: number
  readonly count: number
}

export class Bm25Index {
  private readonly postings = new Map<string, Posting[]>()
  private readonly lengths: number[] = []
  private readonly meanLength: number

  constructor(documents: readonly string[]) {
    for (const [unit, document] of documents.entries()) {
      const counts = new Map<string, number>()
      const words = wordsOf(document)
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
      for (const [word, count] of counts) {
        const list = this.postings.get(word)
        if (list === undefined) this.postings.set(word, [{ unit, count }])
        else list.push({ unit, count })
      }
      this.lengths.push(words.length)
    }
    this.meanLength = this.lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, this.lengths.length)
  }

  score(question: string): Float32Array {
    const scores = new Float32Array(this.lengths.length)
    const total = this.lengths.length
    for (const word of new Set(wordsOf(question))) {
      if (stopWords.has(word)) continue
      const list = this.postings.get(word) ?? []
      const rarity = Math.log(1 + (total - list.length + 0.5) / (list.length + 0.5))
      for (const { unit, count } of list) {
        const length = this.lengths[unit]! / this.meanLength
        scores[unit]! += (rarity * count * (k1 + 1)) / (count + k1 * (1 - b + b * length))
      }
    }
    return scores
  }
}

/** What search and embeddings see of a unit. */
export const documentOf = (unit: BenchUnit): string => `${unit.file}\n${unit.symbol}\n${unit.text}`

export const bm25: Ranker = {
  name: 'BM25',
  rank(questions, units): Promise<Ranking> {
    const index = new Bm25Index(units.map(documentOf))
    const started = performance.now()
    const scores = questions.map((question) => index.score(question))
    return Promise.resolve({ scores, seconds: (performance.now() - started) / 1000 })
  },
}
