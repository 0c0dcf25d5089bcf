/**
 * All signals joined to one score a unit: attention and words, less what a unit stands for, with the evidence from around it.
 */
import { withEvidence } from './evidence'
import type { Memory } from './memory'
import { penalties } from './standing'

/** Z-scores of the units of the memory; attention is missing where the model's profile has no heads. */
interface Signals {
  readonly attention?: Float32Array | undefined
  readonly words?: Float32Array | undefined
}

/** One z-score a unit. */
export function joined(memory: Memory, question: string, { attention, words }: Signals): Float32Array {
  const { fileOf, standings } = memory.table()
  const wordsPart = attention ? memory.loaded.profile.lexicalWeight : 1
  const plain = new Float32Array(fileOf.length)
  for (let u = 0; u < plain.length; u++) plain[u] = (attention?.[u] ?? 0) + wordsPart * (words?.[u] ?? 0)
  const lost = penalties(standings, question)
  const scores = new Float32Array(plain.length)
  for (let u = 0; u < plain.length; u++) scores[u] = (plain[u] ?? 0) - (lost[u] ?? 0)
  return withEvidence(scores, plain, memory.lexical.uses.uses(memory.files()), fileOf)
}
