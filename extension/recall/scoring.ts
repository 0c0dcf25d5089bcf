/**
 * What the recall heads give every unit. Exactly, over every key, as long as the keys stay in memory. A larger memory is gone through
 * in two stages: estimates from sketches of all keys, which stay in memory (native/recall/sketch.h), say which units are worth it,
 * and those alone are scored exactly, from disk, and can be found. The first question of a process reads all keys once, to check them and sketch them.
 */
import { cancellable, type Scores } from '../engine/addon'
import { attentionScores, tokenFinds } from './attention'
import { thinned } from './bank'
import { bestFirst } from './best-first'
import type { Memory } from './memory'
import { ProgressMeter, type ProgressTools } from './progress'
import type { HeardQuestion } from './question'

/** Units that are scored exactly: of the default model about 600 MB of keys at 130 tokens a unit. */
export const exactUnits = 4096
/** Every so manieth reference question is asked of sketches; all would take eight times as long. */
const bankPart = 8

export interface Attended {
  /** A z-score for each unit. */
  readonly scores: Float32Array
  /**
   * Where set, only these units were scored exactly: the scores of the others are estimates, good enough for what units are compared
   * with, but not to be found by.
   */
  readonly chosen?: Int32Array
  /** What each token of the question finds in these units: [unit][token]. To be asked before `dispose`. */
  readonly finds: (units: readonly number[]) => Float32Array[]
  readonly dispose: () => void
}

/**
 * `weights` are the question's tokens'. `rankings` gives, for scores of attention alone, by which of all units the ones are chosen that are
 * worth an exact look, where not all are.
 */
export async function attend(
  memory: Memory,
  heard: HeardQuestion,
  weights: Float32Array,
  rankings: (alone: Float32Array) => readonly Float32Array[],
  tools: ProgressTools,
): Promise<Attended> {
  const { store, loaded } = memory
  const { addon, threads, profile } = loaded
  if (store.overflows() && profile.bank.length > 0) {
    const units = memory.units().length
    const rank = (scores: Scores) => attentionScores(profile, scores, weights, units)
    const { scores, chosen } = await inTwoStages(memory, heard, (scores) => rankings(rank(scores)), tools)
    const finds = (of: readonly number[]) => tokenFinds(profile, scores, weights, units, of)
    return { scores: rank(scores), chosen, finds, dispose: () => undefined }
  }
  memory.arrange()
  const headWeights = Float64Array.from(profile.heads, ({ weight }) => weight)
  const ranked = await cancellable(addon, tools.signal, (cancel) =>
    store.rank(heard.queries, weights, headWeights, threads, cancel),
  )
  const finds = (of: readonly number[]) => {
    const all = ranked.finds(Int32Array.from(of))
    return of.map((_, i) => all.subarray(i * weights.length, (i + 1) * weights.length))
  }
  return { scores: ranked.scores(), finds, dispose: () => ranked.dispose() }
}

async function inTwoStages(
  memory: Memory,
  { queries, tokens }: HeardQuestion,
  rankings: (scores: Scores) => readonly Float32Array[],
  { signal, progress }: ProgressTools,
): Promise<{ readonly scores: Scores; readonly chosen: Int32Array }> {
  const { store, loaded } = memory
  const { addon, threads, profile } = loaded
  const files = memory.files()
  const bank = thinned(await memory.reader.bank(signal, progress), profile.heads.length, bankPart)
  const meter = new ProgressMeter('recall', 'files', progress)
  const scores = await cancellable(addon, signal, (cancel) =>
    store.estimate(files, queries, tokens, bank.queries, bank.tokens, threads, cancel, (done) =>
      meter.report(done, files.length),
    ),
  )
  const chosen = best(rankings(scores), exactUnits)
  const exact = await cancellable(addon, signal, (cancel) =>
    store.scoreUnits(files, queries, tokens, chosen, threads, cancel),
  )
  const units = memory.units().length
  for (let row = 0; row * chosen.length < exact.length; row++)
    chosen.forEach((unit, i) => (scores.masses[row * units + unit] = exact[row * chosen.length + i] ?? -Infinity))
  return { scores, chosen }
}

/** The best by each ranking in turn, `count` in all, rising. */
export function best(rankings: readonly Float32Array[], count: number): Int32Array {
  const orders = rankings.map(bestFirst)
  const chosen = new Set<number>()
  const units = rankings[0]?.length ?? 0
  for (let place = 0; place < units && chosen.size < count; place++)
    for (const order of orders) if (chosen.size < count) chosen.add(order[place] ?? 0)
  return Int32Array.from(chosen).sort()
}
