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
  const units = memory.units()
  const files = memory.files()
  const wordsPart = attention ? memory.loaded.profile.lexicalWeight : 1
  const plain = Float32Array.from(units, (_, u) => (attention?.[u] ?? 0) + wordsPart * (words?.[u] ?? 0))
  const lost = penalties(units, question)
  const scores = plain.map((score, u) => score - (lost[u] ?? 0))
  const fileOf = new Uint32Array(units.length)
  let at = 0
  files.forEach((file, number) => {
    const end = at + memory.unitsOf(file).length
    fileOf.fill(number, at, end)
    at = end
  })
  return withEvidence(scores, plain, memory.lexical.uses.uses(files), fileOf)
}
