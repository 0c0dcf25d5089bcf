/**
 * Fits the weights of heads to questions whose answers are known: weights are not negative, found by Adam on a softmax over the
 * units of the question's repository (listwise cross-entropy, log-sum over the units that answer), averaged over repositories,
 * with an L1 term that lets few heads stay; the best are kept and fitted again. Pure and seeded: the same input, the same bytes.
 *
 * A softmax over thousands of units costs time and its far tail no rank, so each question sees the units that answer, the hardest
 * of the others (by the weights of a first, short fit on random ones), and random ones that stand for all the rest. Seen on made
 * questions (120 over 1,500 units by 171 heads, 20 of which see anything): unit MRR on unseen ones .243 with 128 units, .244 with
 * all, in 9 seconds instead of 83. Scores are kept as bytes: 100 questions over 5,000 units by 171 heads are 86 MB, not 340. On
 * 129 questions of three repositories (up to 131 units, so that 128 leave little out) held out MRR was .513 with floats and all
 * units, .527 with bytes, .531 and .518 with 128 and 64 units: all within what a few ranks among 18 questions make.
 */
import { randomFrom } from './questions'
import { rankOf } from './rank'

/** One question against all units of its repository. */
export interface Example {
  /** z-scores in steps of 1/8, [unit][head] (`toStep`). */
  readonly features: Int8Array
  readonly units: number
  readonly gold: ReadonlySet<number>
}

/** The questions of one repository. */
export type Group = readonly Example[]

export interface FitOptions {
  readonly seed: number
  /** Heads that are kept at most. */
  readonly keep: number
  /** Units that a question is fitted on, beside those that answer it. */
  readonly units: number
}

export const stepsPerDeviation = 8

/** A z-score as a step; what lies beyond ±15.9 deviations is cut there. */
export const toStep = (z: number): number => Math.max(-127, Math.min(127, Math.round(z * stepsPerDeviation)))

const firstWeight = 0.05
const rate = 0.02
/** Steps of Adam on random units, on the hardest ones, and on the heads that are kept. */
const steps = { random: 60, hardest: 200, kept: 150 }
const l1 = { all: 0.05, kept: 0.03 }
/** A head of less weight adds nothing that a rank shows. */
const leastWeight = 1e-3

/** A question's units and heads as they are fitted: [unit][head], the units that answer first. */
interface Problem {
  readonly values: Float32Array
  readonly gold: number
  /** What a unit counts for, as a logarithm: those that stand for others count for all of them. */
  readonly logWeights: Float64Array
}

/**
 * A weight for each head; 0 for those that are not kept. `pause` is awaited between steps, so that whoever computes here can
 * be heard, and cancelled.
 */
export async function fitHeads(
  groups: readonly Group[],
  heads: number,
  options: FitOptions,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<Float64Array> {
  const random = randomFrom(options.seed)
  const all = Array.from({ length: heads }, (_, head) => head)
  const problems = (weights: Float64Array | undefined, chosen: readonly number[]) =>
    groups.map((group) => group.map((example) => problemOf(example, heads, chosen, weights, options.units, random)))
  let weights: Float64Array = new Float64Array(heads).fill(firstWeight)
  // Where nothing is left out, there is nothing to choose.
  if (groups.some((group) => group.some(({ units, gold }) => units - gold.size > options.units)))
    weights = await descend(problems(undefined, all), weights, steps.random, l1.all, pause)
  const fitted = await descend(problems(weights, all), weights, steps.hardest, l1.all, pause)
  const kept = all
    .filter((head) => (fitted[head] ?? 0) > leastWeight)
    .sort((a, b) => (fitted[b] ?? 0) - (fitted[a] ?? 0) || a - b)
    .slice(0, options.keep)
    .sort((a, b) => a - b)
  const result = new Float64Array(heads)
  if (kept.length === 0) return result
  const start = Float64Array.from(kept, (head) => fitted[head] ?? 0)
  const again = await descend(problems(fitted, kept), start, steps.kept, l1.kept, pause)
  kept.forEach((head, i) => {
    const weight = again[i] ?? 0
    result[head] = weight > leastWeight ? weight : 0
  })
  return result
}

/** The score of every unit, in steps. */
export function scoreUnits({ features, units }: Example, weights: Float64Array): Float64Array {
  const used = [...weights.keys()].filter((head) => weights[head] !== 0)
  const scores = new Float64Array(units)
  for (let unit = 0; unit < units; unit++) {
    let score = 0
    for (const head of used) score += (weights[head] ?? 0) * (features[unit * weights.length + head] ?? 0)
    scores[unit] = score
  }
  return scores
}

/** Mean over questions of the reciprocal rank of the best unit that answers; 0 without questions. */
export function reciprocalRank(group: Group, weights: Float64Array): number {
  const sum = group.reduce(
    (total, example) => total + 1 / rankOf(scoreUnits(example, weights), (unit) => example.gold.has(unit)),
    0,
  )
  return group.length > 0 ? sum / group.length : 0
}

function problemOf(
  example: Example,
  heads: number,
  chosen: readonly number[],
  weights: Float64Array | undefined,
  most: number,
  random: () => number,
): Problem {
  const others: number[] = []
  for (let unit = 0; unit < example.units; unit++) if (!example.gold.has(unit)) others.push(unit)
  const hardest = others.length > most && weights !== undefined ? Math.floor(most / 2) : 0
  if (hardest > 0 && weights) {
    const scores = scoreUnits(example, weights)
    others.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b)
  }
  const drawn = Math.min(others.length, most)
  // The hardest stand first; the rest of the places is drawn from all that follow.
  for (let place = hardest; place < drawn && drawn < others.length; place++) {
    const other = place + Math.floor(random() * (others.length - place))
    ;[others[place], others[other]] = [others[other] ?? 0, others[place] ?? 0]
  }
  const units = [...example.gold, ...others.slice(0, drawn)]
  const standsFor = Math.log((others.length - hardest) / Math.max(1, drawn - hardest))
  const values = new Float32Array(units.length * chosen.length)
  units.forEach((unit, i) => {
    chosen.forEach((head, j) => {
      values[i * chosen.length + j] = (example.features[unit * heads + head] ?? 0) / stepsPerDeviation
    })
  })
  const gold = example.gold.size
  const logWeights = Float64Array.from(units, (_, i) => (i < gold + hardest ? 0 : standsFor))
  return { values, gold, logWeights }
}

/** Adam (arXiv 1412.6980) with weights held at 0 or above. */
async function descend(
  groups: readonly (readonly Problem[])[],
  from: Float64Array,
  count: number,
  penalty: number,
  pause: () => Promise<void>,
): Promise<Float64Array> {
  const [decay, squareDecay] = [0.9, 0.999]
  const weights = from.slice()
  const mean = new Float64Array(weights.length)
  const square = new Float64Array(weights.length)
  const slope = new Float64Array(weights.length)
  for (let step = 1; step <= count; step++) {
    slope.fill(penalty)
    for (const problems of groups)
      for (const problem of problems) addSlope(problem, weights, 1 / (groups.length * problems.length), slope)
    for (let h = 0; h < weights.length; h++) {
      const s = slope[h] ?? 0
      mean[h] = decay * (mean[h] ?? 0) + (1 - decay) * s
      square[h] = squareDecay * (square[h] ?? 0) + (1 - squareDecay) * s * s
      const m = (mean[h] ?? 0) / (1 - decay ** step)
      const v = (square[h] ?? 0) / (1 - squareDecay ** step)
      weights[h] = Math.max(0, (weights[h] ?? 0) - (rate * m) / (Math.sqrt(v) + 1e-8))
    }
    await pause()
  }
  return weights
}

/** Adds the slope of log-sum-exp over all units minus that over the units that answer, times `part`. */
function addSlope(
  { values, gold, logWeights }: Problem,
  weights: Float64Array,
  part: number,
  slope: Float64Array,
): void {
  const heads = weights.length
  const units = logWeights.length
  const scores = new Float64Array(units)
  let peak = -Infinity
  let goldPeak = -Infinity
  for (let unit = 0; unit < units; unit++) {
    let score = logWeights[unit] ?? 0
    const at = unit * heads
    for (let h = 0; h < heads; h++) score += (weights[h] ?? 0) * (values[at + h] ?? 0)
    scores[unit] = score
    peak = Math.max(peak, score)
    if (unit < gold) goldPeak = Math.max(goldPeak, score)
  }
  let sum = 0
  let goldSum = 0
  for (let unit = 0; unit < units; unit++) {
    sum += Math.exp((scores[unit] ?? 0) - peak)
    if (unit < gold) goldSum += Math.exp((scores[unit] ?? 0) - goldPeak)
  }
  for (let unit = 0; unit < units; unit++) {
    const share = Math.exp((scores[unit] ?? 0) - peak) / sum
    const pull = part * (unit < gold ? share - Math.exp((scores[unit] ?? 0) - goldPeak) / goldSum : share)
    const at = unit * heads
    for (let h = 0; h < heads; h++) slope[h] = (slope[h] ?? 0) + pull * (values[at + h] ?? 0)
  }
}
