/**
 * What everything that ranks units has in common, so that search, embeddings and attention are measured alike.
 */
import type { UnitKind } from '../../../extension/protocol/types'

export interface BenchUnit {
  readonly file: string
  /** 1-based and inclusive. */
  readonly startLine: number
  readonly endLine: number
  readonly symbol: string
  readonly kind: UnitKind
  readonly text: string
}

export interface Ranking {
  /** One array a question, one score a unit; higher is better. */
  readonly scores: readonly Float32Array[]
  /** Wall time of all questions together, without what is prepared once for the units. */
  readonly seconds: number
}

export interface Ranker {
  readonly name: string
  rank(questions: readonly string[], units: readonly BenchUnit[]): Promise<Ranking>
}

export interface LabelledRanking {
  readonly scores: Float32Array
  /** Indices of the units that answer. */
  readonly gold: ReadonlySet<number>
}
