/** What a calibration tells of itself: honest figures beside fitted ones, for people and in the profile. */
import type { CalibrationFigures } from '../../protocol/types'
import type { Corpus } from './corpus'
import { mean, type HeldOut } from './held-out'

export interface Findings {
  readonly corpora: readonly Corpus[]
  readonly units: readonly number[]
  readonly questions: readonly number[]
  readonly distances: CalibrationFigures['distances']
  readonly banks: CalibrationFigures['banks']
  readonly heldOut: HeldOut
  /** Which of `lexicalWeights` was taken. */
  readonly wordsAt: number
  readonly fitted: readonly number[]
  readonly words: readonly number[]
  readonly bytesPerToken: number
}

const rounded = (value = 0): number => Math.round(value * 1000) / 1000
const shares = <T extends { readonly heldOut: number }>(all: readonly T[]): T[] =>
  all.map((one) => ({ ...one, heldOut: rounded(one.heldOut) }))

export function figuresOf(found: Findings): CalibrationFigures {
  const { corpora, units, questions, heldOut, fitted, words } = found
  return {
    distances: shares(found.distances),
    banks: shares(found.banks),
    repositories: corpora.map(({ name, files, tokens }, i) => ({
      ...{ name, files: files.length, tokens, units: units[i] ?? 0, questions: questions[i] ?? 0 },
      ...{ fitted: rounded(fitted[i]), heldOut: rounded(heldOut.groups[i]), words: rounded(words[i]) },
    })),
    mean: {
      fitted: rounded(mean(fitted)),
      heldOut: rounded(heldOut.mean),
      words: rounded(mean(words)),
      both: rounded(heldOut.withWords[found.wordsAt]),
    },
    bytesPerToken: found.bytesPerToken,
  }
}
