/** Which layers lie on a GPU when nobody says it: as many as its free memory holds, whatever that is; told without a GPU. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { librariesFolder } from '../../extension/engine/addon'
import { readGguf, type GgufTensor } from '../../extension/engine/gguf'
import { writeGguf } from '../support/gguf-writer'
import { loadOracle } from '../support/oracle'
import { randomModel } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

const MiB = 1 << 20

/** Sizes such that a layer's part of the cache is not all that counts. */
const sizes = { layers: 6, embedding: 256, feedForward: 512, heads: 4, keyHeads: 2, headSize: 64 } as const
const batch = 2048

describe('layers on a GPU, when nobody says how many', () => {
  const path = join(temporaryFolder(), 'model.gguf')
  before(() => writeFileSync(path, writeGguf(randomModel({ architecture: 'llama', ...sizes, full: true }).gguf)))

  const fit = (free: number, weights: 'fast' | 'file' = 'file', rows = batch) =>
    loadOracle().layersThatFit({ path, weights, free, batch: rows })

  /** Of the tensors of a layer, or of those that are of none. */
  function bytes(layer: number | undefined, of = (tensor: GgufTensor) => tensor.bytes): number {
    const tensors = [...readGguf(path).tensors.values()]
    const theirs = tensors.filter(({ name }) => (layer === undefined ? !name.startsWith('blk.') : name.startsWith(`blk.${layer}.`))) // prettier-ignore
    assert.ok(theirs.length > 0)
    return theirs.reduce((sum, tensor) => sum + of(tensor), 0)
  }
  /** Kept free: the driver's and cuBLAS's own, and what a batch's rows take. */
  const taken = (rows = batch) => 768 * MiB + 4 * rows * (4 * sizes.embedding + 3 * sizes.feedForward)
  /** Keys and values of 8,192 tokens in half precision. */
  const cache = 2 * 2 * 8192 * sizes.keyHeads * sizes.headSize
  const upTo = (layers: number) =>
    Array.from({ length: layers }, (_, layer) => bytes(layer) + cache).reduce((a, b) => a + b, taken())

  it('are those whose weights and cache fit beside what a batch takes, to the byte', () => {
    for (let layers = 1; layers <= sizes.layers; layers++) {
      assert.equal(fit(upTo(layers)), layers)
      assert.equal(fit(upTo(layers) - 1), layers - 1)
    }
  })

  it('are all, embeddings and output, too, where there is room for these behind the last layer', () => {
    const all = upTo(sizes.layers) + bytes(undefined)
    assert.equal(fit(all), sizes.layers + 1)
    assert.equal(fit(all - 1), sizes.layers)
    assert.equal(fit(80_000 * MiB), sizes.layers + 1)
  })

  it('are none where there is no memory, or just what a batch takes', () => {
    for (const free of [0, 1, 768 * MiB, taken()]) assert.equal(fit(free), 0)
  })

  it('are fewer where a batch has more rows', () => {
    const [small, large] = [taken(512), taken(8192)]
    const free = small + 3 * (bytes(0) + cache)
    assert.equal(fit(free, 'file', 512), 3)
    assert.ok(large > free)
    assert.equal(fit(free, 'file', 8192), 0)
  })

  it('are as many as their weights in the format that is kept leave room for: F32 becomes F16', () => {
    const kept = (tensor: GgufTensor) => (tensor.shape.length > 1 ? tensor.bytes / 2 : tensor.bytes)
    const half = taken() + 4 * (bytes(0, kept) + cache)
    assert.equal(fit(half, 'fast'), 4)
    assert.equal(fit(half - 1, 'fast'), 3)
    assert.ok(fit(half, 'file') < 4)
  })

  it('are what a model is loaded with, and generate the same as all of them beside the processor', async () => {
    const request = {
      path,
      libraries: librariesFolder(),
      threads: 1,
      tokens: Int32Array.from({ length: 40 }, (_, i) => 3 + i),
      temperature: 0,
      topP: 1,
      seed: 1,
      maxTokens: 8,
      watch: new Uint32Array(),
      watchHeads: [],
    }
    // The device is the processor once more, whose free memory holds all.
    const chosen = await loadOracle().generateBeside({ ...request, layers: -1 })
    const all = await loadOracle().generateBeside({ ...request, layers: sizes.layers + 1 })
    assert.ok(chosen.tokens.length > 0)
    assert.deepEqual(chosen, all)
  })
})
