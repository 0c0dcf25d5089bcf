/**
 * Honest figures: heads are fitted without a repository (or, where there is only one, without a quarter of its questions) and
 * asked the questions that were left out. Also how much the lexical head should count beside the attention of that model.
 */
import { standardise } from '../attention'
import { fitHeads, reciprocalRank, scoreUnits, type Example, type FitOptions, type Group } from './fit'
import { shuffled } from './questions'
import { rankOf } from './rank'

/** A question's example beside the lexical head's z-scores, by unit. */
export interface AskedExample {
  readonly example: Example
  readonly words: Float32Array
}

export interface HeldOut {
  /** For each group: mean reciprocal rank of its questions by heads that were fitted without them. */
  readonly groups: readonly number[]
  /** The mean over groups, each counting once. */
  readonly mean: number
  /** The same with the lexical head added, for each of `lexicalWeights`. */
  readonly withWords: readonly number[]
}

/** How much the lexical head's z-score may count; the first is what was found best for the default model. */
export const lexicalWeights: readonly number[] = [0.5, 0.25, 1, 2]

const parts = 4

interface Fold {
  readonly train: readonly Group[]
  readonly test: readonly AskedExample[]
  readonly group: number
}

export async function heldOut(
  groups: readonly (readonly AskedExample[])[],
  heads: number,
  options: FitOptions,
  pause: () => Promise<void>,
): Promise<HeldOut> {
  const ranks = groups.map((): number[] => [])
  const withWords = lexicalWeights.map(() => groups.map((): number[] => []))
  for (const { train, test, group } of foldsOf(groups, options.seed)) {
    const weights = await fitHeads(train, heads, options, pause)
    for (const { example, words } of test) {
      const answers = (unit: number) => example.gold.has(unit)
      const attention = standardise(Float32Array.from(scoreUnits(example, weights)))
      ranks[group]?.push(1 / rankOf(attention, answers))
      lexicalWeights.forEach((weight, i) => {
        const both = attention.map((z, unit) => z + weight * (words[unit] ?? 0))
        withWords[i]?.[group]?.push(1 / rankOf(both, answers))
      })
    }
  }
  const means = ranks.map(mean)
  return { groups: means, mean: mean(means), withWords: withWords.map((all) => mean(all.map(mean))) }
}

function foldsOf(groups: readonly (readonly AskedExample[])[], seed: number): Fold[] {
  const examples = (asked: readonly AskedExample[]): Group => asked.map(({ example }) => example)
  const [only] = groups
  if (only && groups.length === 1) {
    const order = shuffled(only, seed)
    return Array.from({ length: parts }, (_, part) => ({
      train: [examples(order.filter((_, i) => i % parts !== part))],
      test: order.filter((_, i) => i % parts === part),
      group: 0,
    }))
  }
  return groups.map((test, group) => ({
    train: groups.filter((_, other) => other !== group).map(examples),
    test,
    group,
  }))
}

/** Unit MRR of each group by these weights. */
export const fittedRanks = (groups: readonly (readonly AskedExample[])[], weights: Float64Array): number[] =>
  groups.map((asked) =>
    reciprocalRank(
      asked.map(({ example }) => example),
      weights,
    ),
  )

/** Unit MRR of each group by words alone. */
export const wordRanks = (groups: readonly (readonly AskedExample[])[]): number[] =>
  groups.map((asked) => mean(asked.map(({ example, words }) => 1 / rankOf(words, (unit) => example.gold.has(unit)))))

export const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : 0

/** The place of the largest value, but the first place unless another is better by more than `margin`. */
export function bestBeyond(values: readonly number[], margin: number): number {
  const best = values.indexOf(Math.max(...values))
  return (values[best] ?? 0) > (values[0] ?? 0) + margin ? best : 0
}
