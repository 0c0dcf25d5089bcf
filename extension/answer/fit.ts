/**
 * Whether anything in the memory fits a question. Attention ranks whatever there is, so its best unit says little; a question
 * fits when the repository knows its telling words, or when one unit stands out from all others.
 */
import type { RecalledUnit } from '../protocol/types'
import type { LexicalIndex } from '../recall/lexical'
import { questionWords } from '../recall/words'

/** A share of the question's telling words that the repository must know… */
const leastKnown = 0.34
/** …or how far the best unit stands above all, in deviations over the units. */
const standsOut = 6

export function fits(lexical: LexicalIndex, question: string, units: readonly RecalledUnit[]): boolean {
  const [best] = units
  if (!best) return false
  const telling = questionWords(question).filter(({ terms }) => terms.length > 0)
  if (telling.length === 0) return false
  const known = telling.filter(({ terms }) => terms.some((term) => lexical.knows(term)))
  return known.length / telling.length >= leastKnown || (best.signals.attention ?? 0) >= standsOut
}
