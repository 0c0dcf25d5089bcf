/**
 * Citations from attention: for each sentence, the units of the reading list that its tokens looked at more than by chance,
 * never what the model says it read. A unit's attention is counted against what the whole answer pays it, by its length.
 */
import type { SentenceCitation } from '../protocol/types'
import type { ReadingItem } from './reading-list'
import { sentences } from './sentences'

export interface WatchedToken {
  /** Where the token's text starts in the answer. */
  readonly start: number
  /** [head][item of the reading list]: share of attention. */
  readonly attention: Float32Array
}

/** A citation needs this much of the attention that the sentence pays to all units read… */
const leastShare = 0.3
/** …and at most this many are given for a sentence. */
const most = 2

export function citations(
  answer: string,
  tokens: readonly WatchedToken[],
  reading: readonly ReadingItem[],
  heads: number,
): SentenceCitation[] {
  const items = reading.length
  if (items === 0) return []
  const result: SentenceCitation[] = []
  sentences(answer).forEach(({ start, end }, sentence) => {
    const looked = new Float64Array(items)
    for (const token of tokens) {
      if (token.start < start || token.start >= end) continue
      for (let head = 0; head < heads; head++) {
        let sum = 0
        for (let i = 0; i < items; i++) sum += token.attention[head * items + i] ?? 0
        // Each head and token has one vote, whatever part of its attention went to the sinks.
        if (sum > 1e-6)
          for (let i = 0; i < items; i++) looked[i] = (looked[i] ?? 0) + (token.attention[head * items + i] ?? 0) / sum
      }
    }
    const total = looked.reduce((sum, value) => sum + value, 0)
    if (total === 0) return
    const mean = total / items
    const deviation = Math.sqrt(looked.reduce((sum, value) => sum + (value - mean) ** 2, 0) / items)
    Array.from(looked, (value, index) => ({
      index,
      share: value / total,
      weight: deviation > 0 ? (value - mean) / deviation : 0,
    }))
      .filter(({ share, weight }) => items === 1 || (share >= leastShare && weight > 0))
      .sort((a, b) => b.share - a.share)
      .slice(0, most)
      .forEach(({ index, weight }) => {
        const unit = reading[index]?.unit
        if (unit) result.push({ sentence, weight, file: unit.file, startLine: unit.startLine, endLine: unit.endLine })
      })
  })
  return result
}
