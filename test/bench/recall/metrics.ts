/**
 * How well a ranking answers: mean reciprocal rank and the share of questions answered among the first 1, 5 and 10, for units
 * and for files. A file scores as its best unit does.
 */
import { rankOf } from '../../../extension/recall/calibration/rank'
import type { BenchUnit, LabelledRanking } from './ranker'

export interface Figures {
  readonly mrr: number
  readonly at1: number
  readonly at5: number
  readonly at10: number
}

export interface Evaluation {
  readonly questions: number
  readonly unit: Figures
  readonly file: Figures
}

export function figuresOf(ranks: readonly number[]): Figures {
  const mean = (measure: (rank: number) => number): number =>
    ranks.length === 0 ? 0 : ranks.reduce((sum, rank) => sum + measure(rank), 0) / ranks.length
  return {
    mrr: mean((rank) => 1 / rank),
    at1: mean((rank) => (rank <= 1 ? 1 : 0)),
    at5: mean((rank) => (rank <= 5 ? 1 : 0)),
    at10: mean((rank) => (rank <= 10 ? 1 : 0)),
  }
}

export interface Ranks {
  readonly unit: number
  readonly file: number
}

export function ranksOf(units: readonly BenchUnit[], ranking: LabelledRanking): Ranks {
  const { scores, gold } = ranking
  const files = new Map<string, number>()
  for (const [index, unit] of units.entries()) {
    const score = Number.isNaN(scores[index]!) ? -Infinity : scores[index]!
    files.set(unit.file, Math.max(files.get(unit.file) ?? -Infinity, score))
  }
  const names = [...files.keys()]
  const goldFiles = new Set([...gold].map((index) => units[index]!.file))
  return {
    unit: rankOf(scores, (index) => gold.has(index)),
    file: rankOf([...files.values()], (index) => goldFiles.has(names[index]!)),
  }
}

export function evaluate(ranks: readonly Ranks[]): Evaluation {
  return {
    questions: ranks.length,
    unit: figuresOf(ranks.map((rank) => rank.unit)),
    file: figuresOf(ranks.map((rank) => rank.file)),
  }
}

function meanFigures(figures: readonly Figures[]): Figures {
  const mean = (of: (one: Figures) => number): number =>
    figures.reduce((sum, one) => sum + of(one), 0) / Math.max(1, figures.length)
  return {
    mrr: mean((one) => one.mrr),
    at1: mean((one) => one.at1),
    at5: mean((one) => one.at5),
    at10: mean((one) => one.at10),
  }
}

/** The mean over repositories, each counting once however many questions it asks. */
export function meanOf(evaluations: readonly Evaluation[]): Evaluation {
  return {
    questions: evaluations.reduce((sum, evaluation) => sum + evaluation.questions, 0),
    unit: meanFigures(evaluations.map((evaluation) => evaluation.unit)),
    file: meanFigures(evaluations.map((evaluation) => evaluation.file)),
  }
}
