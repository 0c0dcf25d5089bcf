/**
 * The default model for tests of the native code: loaded once a format of weights in each test process. Where it was not pulled,
 * the tests that need it fail with what to run.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, packageRoot } from '../../extension/engine/addon'
import type { EpisodeOptions, Head, KeyFormat, NativeEpisode, NativeModel, Scores } from '../../extension/engine/addon'
import { defaultModel, resolveModel } from '../../extension/engine/catalogue'

export type { KeyFormat, NativeEpisode, NativeModel }

/** Threads of this machine that tests compute on. */
export const threads = 2

export const modelPath = async (): Promise<string> => (await resolveModel(defaultModel.name)).path

const loaded = new Map<string, Promise<NativeModel>>()

export function testModel(weights: 'fast' | 'file' = 'fast'): Promise<NativeModel> {
  const known = loaded.get(weights)
  if (known) return known
  const model = (async () => {
    const addon = loadAddon()
    const options = { path: await modelPath(), weights, threads, libraries: librariesFolder() }
    return cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
  })()
  loaded.set(weights, model)
  return model
}

/** Runs a native call that nothing cancels. */
export const run = <T>(call: Parameters<typeof cancellable<T>>[2]): Promise<T> =>
  cancellable(loadAddon(), undefined, call)

export const repositoryFixture = join(packageRoot(), 'test/fixtures/repository')

/** The first tokens of the fixture repository's files, one after the other, again and again. */
export function sampleTokens(model: NativeModel, count: number): Int32Array {
  const files = readdirSync(repositoryFixture, { recursive: true, encoding: 'utf8' })
  const sources = files.filter((file) => /\.(py|ts|md)$/.test(file)).sort()
  const text = sources.map((file) => readFileSync(join(repositoryFixture, file), 'utf8')).join('\n')
  const tokens = model.tokenize(text, false)
  return Int32Array.from({ length: count }, (_, i) => tokens[i % tokens.length]!)
}

/** Heads of two layers; two of them share a key head, as three query heads do in the default model. */
export const testHeads: readonly Head[] = [
  { layer: 4, head: 0 },
  { layer: 4, head: 2 },
  { layer: 9, head: 5 },
]

/** Where each unit starts, and where the last one ends, as pairs. */
export const spansOf = (bounds: readonly number[]): Uint32Array =>
  Uint32Array.from(bounds.slice(0, -1).flatMap((start, i) => [start, bounds[i + 1]!]))

export async function readEpisode(options: Partial<EpisodeOptions> & Pick<EpisodeOptions, 'tokens' | 'units'>) {
  const model = await testModel()
  const whole: EpisodeOptions = { heads: testHeads, window: 1024, sinks: 4, keyFormat: 'f16', ...options }
  return run((cancel) => model.read(whole, cancel, () => undefined))
}

/** Scores of one episode. */
export async function scoresOf(
  episode: NativeEpisode,
  keyFormat: KeyFormat,
  queries: Float32Array,
  tokens: number,
): Promise<Scores> {
  const addon = loadAddon()
  const store = new addon.Store(await testModel(), testHeads, keyFormat)
  store.put('episode', episode)
  return run((cancel) => store.score(['episode'], queries, tokens, threads, cancel))
}

/** Queries of a text: [head][token][head size]. */
export async function queriesOf(text: string): Promise<{ queries: Float32Array; tokens: number }> {
  const model = await testModel()
  const tokens = model.tokenize(text, false)
  const queries = await run((cancel) => model.queries(tokens, 0, testHeads, 512, cancel))
  return { queries, tokens: tokens.length }
}

/** The largest difference between two arrays of one length; NaN in either counts as infinite. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference
  }
  return largest
}

/** The place of the largest of each row. */
export function best(logits: Float32Array, rows: number): number[] {
  const width = logits.length / rows
  return Array.from({ length: rows }, (_, row) => {
    const values = logits.subarray(row * width, (row + 1) * width)
    return values.reduce((most, value, i) => (value > values[most]! ? i : most), 0)
  })
}
