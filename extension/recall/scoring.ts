/**
 * What the recall heads give every unit. Exactly, over every key, as long as the keys stay in memory. A larger memory is gone through
 * in two stages: estimates from sketches of all keys, which stay in memory (native/recall/sketch.h), say which units are worth it,
 * and those alone are scored exactly, from disk, and can be found. The first question of a process reads all keys once, to check them and sketch them.
 */
import { cancellable, type Scores } from '../engine/addon'
import { thinned } from './bank'
import type { Memory } from './memory'
import { ProgressMeter } from './progress'
import type { HeardQuestion } from './question'
import type { RecallTools } from './recall'

/** Units that are scored exactly: of the default model about 600 MB of keys at 130 tokens a unit. */
export const exactUnits = 4096
/** Every so manieth reference question is asked of sketches; all would take eight times as long. */
const bankPart = 8

/**
 * `rank` gives scores of all units from masses; units are chosen by each of them. With `chosen`, only these were scored exactly: the
 * masses of the others are estimates, good enough for what units are compared with, but not to be found by.
 */
export async function scoresOf(
  memory: Memory,
  { queries, tokens }: HeardQuestion,
  rank: (scores: Scores) => readonly Float32Array[],
  { signal, progress }: RecallTools,
): Promise<{ readonly scores: Scores; readonly chosen?: Int32Array }> {
  const { store, loaded } = memory
  const { addon, threads, profile } = loaded
  const files = memory.files()
  if (!store.overflows() || profile.bank.length === 0)
    return {
      scores: await cancellable(addon, signal, (cancel) => store.score(files, queries, tokens, threads, cancel)),
    }
  const bank = thinned(await memory.reader.bank(signal, progress), profile.heads.length, bankPart)
  const meter = new ProgressMeter('recall', 'files', progress)
  const scores = await cancellable(addon, signal, (cancel) =>
    store.estimate(files, queries, tokens, bank.queries, bank.tokens, threads, cancel, (done) =>
      meter.report(done, files.length),
    ),
  )
  const chosen = best(rank(scores), exactUnits)
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
  const orders = rankings.map((scores) =>
    Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)),
  )
  const chosen = new Set<number>()
  const units = rankings[0]?.length ?? 0
  for (let place = 0; place < units && chosen.size < count; place++)
    for (const order of orders) if (chosen.size < count) chosen.add(order[place] ?? 0)
  return Int32Array.from(chosen).sort()
}
