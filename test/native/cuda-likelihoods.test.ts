/**
 * What a question is to the model, and how likely it is after texts that are read together, by our own CUDA kernels, against the engine
 * on the processor; and what happens where they cannot be used. With the kernels that run on the processor, thread by thread.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, type NativeModel } from '../../extension/engine/addon'
import { emulatedKernels, needsEmulated } from '../support/cuda'
import { writeGguf } from '../support/gguf-writer'
import { run, spansOf, threads } from '../support/model'
import { gaussian, randomModel, type RandomOptions } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

/** Of one token, of weights that are rounded to F16 there; of more tokens the mean is nearer. */
const bound = 0.03

const models: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama', headSize: 64, heads: 2, keyHeads: 1, full: true },
  'qwen2 with biases': { architecture: 'qwen2', headSize: 64, heads: 2, keyHeads: 2, full: true },
  'qwen3 of large heads': { architecture: 'qwen3', headSize: 128, heads: 2, keyHeads: 1, full: true },
}

function load(path: string, kernels?: string): Promise<NativeModel> {
  const addon = loadAddon()
  const options = { path, weights: 'file', threads, libraries: librariesFolder() } as const
  return cancellable(addon, undefined, (cancel) =>
    addon.loadModel(kernels === undefined ? options : { ...options, kernels, cublas: '' }, cancel, () => undefined),
  )
}

function written(options: RandomOptions): string {
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, writeGguf(randomModel({ layers: 3, embedding: 128, feedForward: 160, ...options }).gguf))
  return path
}

function randomTokens(model: NativeModel, lengths: readonly number[], seed: number): Int32Array[] {
  const normal = gaussian(seed)
  const { vocabulary } = model.info()
  return lengths.map((length) => Int32Array.from({ length }, () => Math.floor(Math.abs(normal()) * 1e6) % vocabulary))
}

/** Nats a token, and what progress told. */
async function likelihoods(model: NativeModel, prefixes: readonly Int32Array[], target: Int32Array) {
  const told: number[] = []
  const nats = await run((cancel) => model.likelihood(prefixes, target, 60, cancel, (done) => told.push(done)))
  await new Promise((resolve) => setTimeout(resolve, 20)) // what is told comes after
  return { nats, told }
}

describe('questions read by our CUDA kernels, as they run on the processor', function () {
  this.timeout(600_000)

  before(needsEmulated)

  for (const [name, options] of Object.entries(models))
    it(`have of a ${name} model the likelihoods that the engine finds, within .03 nats, and all come at once`, async () => {
      const path = written(options)
      const [ours, engine] = [await load(path, emulatedKernels), await load(path)]
      const prefixes = randomTokens(engine, [40, 1, 260, 17], 5)
      for (const target of randomTokens(engine, [9, 1, 30], 6)) {
        const [is, should] = [await likelihoods(ours, prefixes, target), await likelihoods(engine, prefixes, target)]
        assert.deepEqual(is.told, [4])
        assert.deepEqual(should.told, [1, 2, 3, 4])
        is.nats.forEach((nats, i) => {
          assert.ok(Math.abs(nats - should.nats[i]!) < bound, `${nats} is not ${should.nats[i]}`)
        })
        assert.ok(Math.max(...should.nats) - Math.min(...should.nats) > 2 * bound, 'they tell texts apart')
      }
      for (const model of [ours, engine]) model.dispose()
    })

  for (const [name, options] of Object.entries(models))
    it(`hear of a ${name} model the queries that the engine hears, within 1 %, and without it where the GPU fails`, async () => {
      const path = written(options)
      const [ours, engine] = [await load(path, emulatedKernels), await load(path)]
      const heads = [{ layer: 2, head: 0 }, { layer: 0, head: 1 }, { layer: 2, head: 1 }] // prettier-ignore
      const hear = (model: NativeModel, tokens: Int32Array, from: number, distance: number) =>
        run((cancel) => model.queries(tokens, from, heads, distance, cancel))
      for (const [from, distance, length] of [
        [20, 256, 33],
        [0, 0, 5],
        [299, 64, 300],
      ] as const) {
        const [tokens] = randomTokens(engine, [length], from + 1)
        const [is, should] = [await hear(ours, tokens!, from, distance), await hear(engine, tokens!, from, distance)]
        assert.equal(is.length, heads.length * (length - from) * engine.info().headSize)
        let [apart, all] = [0, 0]
        should.forEach((value, i) => ([apart, all] = [apart + (value - is[i]!) ** 2, all + value ** 2]))
        assert.ok(Math.sqrt(apart / all) < 0.01 && apart > 0, `they differ by ${Math.sqrt(apart / all)}`)
      }
      ours.dispose()
      const [tokens] = randomTokens(engine, [30], 4)
      const wrong = await load(path, emulatedKernels)
      process.env['LONGREAD_EMULATED_WRONG'] = '1'
      try {
        assert.deepEqual(await hear(wrong, tokens!, 9, 256), await hear(engine, tokens!, 9, 256))
      } finally {
        Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_WRONG')
      }
      for (const model of [wrong, engine]) model.dispose()
    })

  it('go on where files were read before, no deeper than recall heads, and files can be read afterwards', async () => {
    const path = written(models['llama']!)
    const [ours, engine] = [await load(path, emulatedKernels), await load(path)]
    const [text] = randomTokens(engine, [90], 3)
    const how = { heads: [{ layer: 1, head: 0 }], window: 96, sinks: 4, keyFormat: 'q8' } as const
    const read = () =>
      run((cancel) => ours.readMany([{ tokens: text!, units: spansOf([0, 30, 60]) }], how, cancel, () => undefined))
    await read()
    const [prefix, target] = randomTokens(engine, [50, 7], 9)
    const [is, should] = [await likelihoods(ours, [prefix!], target!), await likelihoods(engine, [prefix!], target!)]
    assert.ok(Math.abs(is.nats[0]! - should.nats[0]!) < bound)
    // Longer than the window that files are read with: the engine's.
    const [long] = randomTokens(engine, [120], 11)
    const [left, right] = [await likelihoods(ours, [long!], target!), await likelihoods(engine, [long!], target!)]
    assert.deepEqual(left.nats, right.nats)
    assert.equal((await read()).length, 1)
    assert.equal(ours.info().kernels, '')
    for (const model of [ours, engine]) model.dispose()
  })

  for (const [what, name] of [
    ['has no memory', 'LONGREAD_EMULATED_FULL'],
    ['computes wrongly', 'LONGREAD_EMULATED_WRONG'],
  ] as const)
    it(`have the engine's likelihoods where the GPU ${what}`, async () => {
      const path = written(models['llama']!)
      const [ours, engine] = [await load(path, emulatedKernels), await load(path)]
      const [prefix, other, target] = randomTokens(engine, [40, 20, 8], 5)
      process.env[name] = '1'
      try {
        for (const prefixes of [[prefix!, other!], [other!]])
          assert.deepEqual(
            (await likelihoods(ours, prefixes, target!)).nats,
            (await likelihoods(engine, prefixes, target!)).nats,
          )
      } finally {
        Reflect.deleteProperty(process.env, name)
      }
      for (const model of [ours, engine]) model.dispose()
    })
})
