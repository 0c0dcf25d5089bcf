/**
 * A million tokens of random files, read by the model as the product has it and then asked about: reading speed early and late, what
 * scoring all keys takes, and what of the GPU's memory is used. Tokens are made up; nothing is cut, tokenised or saved, so that only the
 * model's part is measured.
 */
import { execFileSync } from 'node:child_process'
import { cancellable, type EpisodeTokens } from '../../../extension/engine/addon'
import { hearBank } from '../../../extension/recall/bank'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { headsOf } from '../../../extension/recall/profile'
import { hear } from '../../../extension/recall/question'
import { gaussian } from '../../support/random-model'
import { median, print, whole } from '../numbers'

export interface Million {
  readonly tokens: number
  /** Read in one call. */
  readonly group: number
}

export const aMillion: Million = { tokens: 1_100_000, group: 64_000 }

/** Megabytes of the first GPU in use, by all processes; NaN where nobody tells. */
export function usedMegabytes(): number {
  try {
    const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '--id=0']
    return Number(execFileSync('nvidia-smi', query, { stdio: ['ignore', 'pipe', 'ignore'] }).toString())
  } catch {
    return NaN
  }
}

/** Files as repositories have them: half of them under 700 tokens; units of 70 tokens; the same lengths in every group. */
function randomFiles(group: number, vocabulary: number, seed: number): EpisodeTokens[] {
  const lengths = gaussian(1)
  const numbers = gaussian(seed)
  const files: EpisodeTokens[] = []
  for (let left = group; left > 0; ) {
    const length = Math.min(left, 12_000, Math.max(20, Math.round(700 * Math.exp(1.1 * lengths()))))
    const units: number[] = []
    for (let at = 0; at < length; at += 70) units.push(at + (at === 0 ? 5 : 0), Math.min(length, at + 70))
    files.push({
      tokens: Int32Array.from({ length }, () => Math.floor(Math.abs(numbers()) * 1e6) % vocabulary),
      units: Uint32Array.from(units),
    })
    left -= length
  }
  return files
}

const line = (what: string, value: string): void => print(`  ${what.padEnd(46)} ${value}`)

export interface Beside {
  /** Megabytes of the GPU in use before the model was loaded, and right after. */
  readonly before: number
  readonly loaded: number
}

/** Prints what it measures. */
export async function million(
  loaded: LoadedModel,
  { before, loaded: weights }: Beside,
  { tokens, group }: Million = aMillion,
): Promise<void> {
  const { addon, model, profile, threads } = loaded
  const { vocabulary, weightBytes } = model.info()
  const bank = await hearBank(loaded)
  const store = new addon.Store(model, headsOf(profile), profile.keyFormat)
  const how = { heads: headsOf(profile), window: profile.window, sinks: profile.sinks, keyFormat: profile.keyFormat, bank } // prettier-ignore
  const read = (files: readonly EpisodeTokens[]) =>
    cancellable(addon, undefined, (cancel) => model.readMany(files, how, cancel, () => undefined))
  // For what is made with the first batch.
  await read(randomFiles(group, vocabulary, 2))
  // What is read early and late to be timed is the same, and not kept.
  const same = Array.from({ length: 9 }, (_, i) => randomFiles(group, vocabulary, -1 - i))
  const rate = async (): Promise<number> => {
    const rates: number[] = []
    for (const files of same) {
      const started = performance.now()
      await read(files)
      rates.push((1000 * group) / (performance.now() - started))
    }
    return median(rates)
  }
  const names: string[] = []
  let held = 0
  const readUntil = async (end: number): Promise<void> => {
    for (; held < end; held += group)
      for (const episode of await read(randomFiles(group, vocabulary, 3 + held))) {
        store.put(`${names.length}`, episode)
        names.push(`${names.length}`)
      }
  }
  await readUntil(64_000)
  await rate() // the first seconds of a process are slower
  const early = await rate()
  await readUntil(Math.min(tokens, 1_000_000))
  const late = await rate()
  await readUntil(tokens)
  print(`Read ${whole(names.length)} random files of ${whole(tokens)} tokens, ${whole(group)} in a call:`)
  const apart = (100 * Math.abs(late - early)) / early
  line('reading with 64,000 tokens held, tokens/s', whole(early))
  line('reading with 1,000,000 held, tokens/s', `${whole(late)}  (${apart.toFixed(1)} % apart; target: at most 5)`)
  store.arrange(names)
  const weightsOf = (count: number) => new Float32Array(count).fill(1 / count)
  const headWeights = Float64Array.from(profile.heads, ({ weight }) => weight)
  const [scored, heard]: number[][] = [[], []]
  for (let i = 0; i < 11; i++) {
    const started = performance.now()
    const { queries, tokens: rows } = await hear(loaded, 'Where is the timeout of a task checked?')
    heard!.push(performance.now() - started)
    const asked = performance.now()
    const ranked = await cancellable(addon, undefined, (cancel) =>
      store.rank(queries, weightsOf(rows), headWeights, threads, cancel),
    )
    scored!.push(performance.now() - asked)
    ranked.dispose()
  }
  const [first, ...others] = scored as [number, ...number[]]
  line('hearing a question, ms', median(heard!.slice(1)).toFixed(1))
  line('all keys and z-scores, ms', `${median(others).toFixed(1)}  (the first, which brings keys there, ${first.toFixed(0)})`) // prettier-ignore
  const now = usedMegabytes()
  if (Number.isNaN(now)) {
    line('memory of the GPU', 'unknown: nvidia-smi does not tell')
    return
  }
  const megabytes = weightBytes / 2 ** 20
  line('MB of the GPU beyond the weights', `${whole(now - before - megabytes)}  (target: at most 3,072)`)
  line('  in all, since before the model was loaded', whole(now - before))
  line('  of it right after loading', whole(weights - before))
}
