/**
 * What the product does with every architecture and llama_decode does not: an episode through a sliding window with sinks, no
 * deeper than the deepest recall head, of which only that head's keys stay, as they are before they are turned by position;
 * and a question's queries, turned to one distance. Compared with a plain computation of the same.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, type Head, type NativeModel } from '../../extension/engine/addon'
import { f32, str, u32, writeGguf } from '../support/gguf-writer'
import { run, spansOf } from '../support/model'
import { readPlainly, rotate, type PlainLayer, type PlainOptions, type PlainRope } from '../support/plain-model'
import { gaussian, randomModel, type RandomOptions } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

interface Tested extends RandomOptions {
  readonly rope: PlainRope
}

const plainRope: PlainRope = { base: 10_000, scale: 1 }
const yarn = {
  'rope.scaling.type': str('yarn'),
  'rope.scaling.factor': f32(4),
  'rope.scaling.original_context_length': u32(512),
}
const tested: readonly Tested[] = [
  { architecture: 'llama', with: /./, rope: plainRope },
  { architecture: 'qwen2', headSize: 16, rope: plainRope },
  { architecture: 'qwen3', rope: plainRope },
  { architecture: 'qwen3', metadata: yarn, rope: { base: 10_000, scale: 0.25, yarn: 512 } },
  {
    architecture: 'gemma3',
    metadata: { 'attention.sliding_window': u32(48), 'rope.freq_base': f32(1e6) },
    rope: { base: 1e6, scale: 1 },
  },
]
const slidingWindow = 48
const slides = (layer: number) => layer % 6 !== 5
/** One in a layer that slides, in gemma3, and one in the layer that does not; two that share a key head, and one more. */
const heads: readonly Head[] = [
  { layer: 3, head: 0 },
  { layer: 5, head: 1 },
  { layer: 5, head: 3 },
]
const sinks = 4
const distance = 37
const threads = 1

/** The engine's batches and blocks of cache (native/engine/context.h). */
const batch = 512
const block = 256

/** How far the sinks are turned on for a token: until they stand right before the oldest token that is still held. */
function sinkShiftOf(total: number, window: number): (token: number) => number {
  const capacity = Math.ceil(Math.min(total, sinks + window + batch) / block) * block
  const shifts: number[] = []
  let used = 0
  let shift = 0
  for (let first = 0; first < total; first += batch) {
    const count = Math.min(batch, total - first)
    if (used + count > capacity) {
      const kept = Math.min(used - sinks, window - 1)
      shift = first - kept - sinks
      used = sinks + kept
    }
    for (let t = 0; t < count; ++t) shifts.push(shift)
    used += count
  }
  return (token) => shifts[token]!
}

for (const options of tested) {
  const random = randomModel({ ...options, full: true })
  const { headSize: size, heads: count, keyHeads } = random
  const gemma = options.architecture === 'gemma3'
  const name = options.rope.yarn === undefined ? options.architecture : `${options.architecture} with YaRN`
  const normal = gaussian(5)
  const some = (length: number) =>
    Int32Array.from({ length }, () => Math.floor(Math.abs(normal()) * 1e6) % random.vocab)
  const rope = (layer: number): PlainRope => (gemma && slides(layer) ? plainRope : options.rope)

  describe(`the keys and queries of ${name}`, function () {
    this.timeout(60_000)
    let model: NativeModel

    before(async () => {
      const path = join(temporaryFolder(), 'model.gguf')
      writeFileSync(path, writeGguf(random.gguf))
      const addon = loadAddon()
      const load = { path, weights: 'file', threads, libraries: librariesFolder() } as const
      model = await cancellable(addon, undefined, (cancel) => addon.loadModel(load, cancel, () => undefined))
    })

    after(() => model.dispose())

    const plainly = (tokens: Int32Array, window: number): PlainLayer[] => {
      const more: Pick<PlainOptions, 'slides' | 'slidingWindow' | 'rope'> = {
        slides: (layer) => gemma && slides(layer),
        slidingWindow,
        rope,
      }
      const sinkShift = window === 0 ? () => 0 : sinkShiftOf(tokens.length, window)
      return readPlainly({ model: random, tokens, layers: 6, window, sinks, sinkShift, ...more })
    }

    /** Queries that are one in one dimension, so that the mass of a unit of one token is that number of its key: [head][dimension][token]. */
    const keysOf = async (tokens: Int32Array, window: number): Promise<Float32Array> => {
      const addon = loadAddon()
      const store = new addon.Store(model, heads, 'f16')
      const units = spansOf([...tokens.keys(), tokens.length])
      const request = { tokens, units, heads, window, sinks, keyFormat: 'f16' } as const
      store.put('episode', await run((cancel) => model.read(request, cancel, () => undefined)))
      const basis = Float32Array.from({ length: heads.length * size * size }, (_, i) =>
        Math.floor(i / size) % size === i % size ? 1 : 0,
      )
      return (await run((cancel) => store.score(['episode'], basis, size, threads, cancel))).masses
    }

    /** The largest difference, as a share of the largest number. Cached keys and values are halves, with 11 bits. */
    const assertClose = (is: (i: number) => number, should: readonly number[]) => {
      const largest = should.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      const worst = should.reduce((most, value, i) => Math.max(most, Math.abs(value - is(i))), 0)
      assert.ok(worst < 0.004 * largest, `differs by ${worst} of ${largest}`)
      assert.ok(largest > 0.5)
    }

    for (const [length, window, what] of [
      [60, 1024, 'shorter than any window'],
      [300, 1024, 'shorter than the window and longer than sliding layers see'],
      [300, 96, 'longer than the window, before it slides'],
      [900, 96, 'long enough for the window to slide'],
      [900, 20, 'through a window narrower than sliding layers see'],
    ] as const)
      it(`are those of an episode ${what}`, async () => {
        const tokens = some(length)
        const layers = plainly(tokens, window)
        const keys = await keysOf(tokens, window)
        heads.forEach(({ layer, head }, i) => {
          const from = Math.floor((head * keyHeads) / count) * size
          const should: number[] = []
          for (let d = 0; d < size; ++d) for (const key of layers[layer]!.keys) should.push(key[from + d]!)
          assertClose((at) => keys[i * size * length + at]!, should)
        })
      })

    it('are turned to one distance, and scaled, for the tokens of a question', async () => {
      const tokens = some(40)
      const from = 25
      const queries = await run((cancel) => model.queries(tokens, from, heads, distance, cancel))
      const layers = plainly(tokens, 0)
      heads.forEach(({ layer, head }, i) => {
        const turned = rope(layer)
        // Stored keys are not turned, so what turning adds to their length is in the queries, too.
        const length = turned.yarn === undefined ? 1 : 0.1 * Math.log(1 / turned.scale) + 1
        const should = layers[layer]!.queries.slice(from).flatMap((row) =>
          Array.from(
            rotate(row, distance, random, turned).slice(head * size, (head + 1) * size),
            (value) => (value * length) / Math.sqrt(size),
          ),
        )
        assertClose((at) => queries[i * (tokens.length - from) * size + at]!, should)
      })
    })
  })
}
