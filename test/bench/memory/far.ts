/**
 * A memory beyond what may be resident: sources that the default model read once, kept under as many names as it takes (distinct bytes
 * on disk, the same keys again and again), mapped, and asked in both ways: exactly, over every key, and in two stages (recall/scoring.ts).
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, type Scores } from '../../../extension/engine/addon'
import { attentionScores } from '../../../extension/recall/attention'
import { hearBank, thinned } from '../../../extension/recall/bank'
import { headsOf } from '../../../extension/recall/profile'
import { hear } from '../../../extension/recall/question'
import { best, exactUnits } from '../../../extension/recall/scoring'
import { temporaryFolder } from '../../support/temp'
import { loadDefaultModel, readOnce } from './repeat'

interface Pass {
  readonly ms: number
  /** The most that was resident during it, bytes. */
  readonly resident: number
}

export interface FarResult {
  readonly files: number
  readonly tokens: number
  readonly units: number
  readonly bytes: number
  readonly mapMs: number
  readonly residentBefore: number
  readonly exact: readonly Pass[]
  /** The first makes the sketches. */
  readonly twoStage: readonly Pass[]
  /** Of the exactly best 32 and 64 units by attention, the part that two stages find with the same or a better score; means. */
  readonly kept32: number
  readonly kept64: number
}

const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

async function watched<T>(work: () => Promise<T>): Promise<Pass & { readonly result: T }> {
  let most = 0
  const look = () => (most = Math.max(most, resident()))
  const watch = setInterval(look, 50)
  const started = performance.now()
  try {
    const result = await work()
    look()
    return { ms: performance.now() - started, resident: most, result }
  } finally {
    clearInterval(watch)
  }
}

const questions = [
  'Where is a manifest written?',
  'What says that a workspace is open?',
  'Where are folders synced?',
  'Which segments are removed when the memory is too large?',
]

export async function far(tokens: number): Promise<FarResult> {
  const loaded = await loadDefaultModel()
  const { addon, model, profile, threads } = loaded
  const read = await readOnce(loaded, 'extension/store')
  const bank = thinned(await hearBank(loaded), profile.heads.length, 8)
  const heard = []
  for (const question of questions) heard.push(await hear(loaded, question))
  const folder = temporaryFolder()
  try {
    const originals = read.files()
    const files: string[] = []
    let held = 0
    for (let copy = 0; held < tokens; copy++)
      for (const [i, original] of originals.entries()) {
        const file = join(folder, `${copy}-${i}.segment`)
        const episode = read.store.get(original)
        await episode.save(file, `${file}.aside`, '')
        files.push(file)
        held += episode.tokens
      }
    const residentBefore = resident()
    const store = new addon.Store(model, headsOf(profile), profile.keyFormat)
    const mapped = performance.now()
    let units = 0
    for (const file of files) {
      const { episode } = await addon.mapEpisode(file)
      units += episode.units
      store.put(file, episode)
    }
    const mapMs = performance.now() - mapped
    const exact: Pass[] = []
    const twoStage: Pass[] = []
    let [kept32, kept64] = [0, 0]
    for (const { queries, tokens: rows } of heard) {
      const weights = new Float32Array(rows).fill(1 / rows)
      const rank = (scores: Scores) => attentionScores(profile, scores, weights, units)
      const whole = await watched(async () =>
        rank(await cancellable(addon, undefined, (cancel) => store.score(files, queries, rows, threads, cancel))),
      )
      exact.push(whole)
      const found = await watched(async () => {
        const scores = await cancellable(addon, undefined, (cancel) =>
          store.estimate(files, queries, rows, bank.queries, bank.tokens, threads, cancel, () => undefined),
        )
        const chosen = best([rank(scores)], exactUnits)
        const masses = await cancellable(addon, undefined, (cancel) =>
          store.scoreUnits(files, queries, rows, chosen, threads, cancel),
        )
        for (let row = 0; row * chosen.length < masses.length; row++)
          chosen.forEach(
            (unit, i) => (scores.masses[row * units + unit] = masses[row * chosen.length + i] ?? -Infinity),
          )
        const [ranked, exactly] = [rank(scores), new Set(chosen)]
        return ranked.map((score, unit) => (exactly.has(unit) ? score : -Infinity))
      })
      twoStage.push(found)
      // Copies are alike, so it is scores that are compared: how many of the best found are as good as the exactly best.
      const kept = (count: number) => {
        const least = [...whole.result].sort((a, b) => b - a)[count - 1] ?? 0
        const places = best([found.result], count)
        return places.filter((unit) => (whole.result[unit] ?? 0) >= least - 1e-6).length / count
      }
      kept32 += kept(32) / heard.length
      kept64 += kept(64) / heard.length
    }
    return {
      files: files.length,
      tokens: held,
      units,
      bytes: store.bytes(),
      mapMs,
      residentBefore,
      exact,
      twoStage,
      kept32,
      kept64,
    }
  } finally {
    rmSync(folder, { recursive: true })
    model.dispose()
  }
}
