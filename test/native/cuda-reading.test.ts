/**
 * Files read together, and questions scored, by our own CUDA kernels through the addon, against the engine on the processor; and
 * what happens where the kernels cannot be used. Everywhere with the kernels that run on the processor, thread by thread; with those of
 * a GPU where there is one.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type EpisodeTokens,
  type LoadOptions,
  type NativeEpisode,
  type NativeModel,
} from '../../extension/engine/addon'
import { ownKernels } from '../../extension/engine/cuda'
import { built, emulatedKernels, needsCuda, needsEmulated, type KernelPlaces } from '../support/cuda'
import { writeGguf } from '../support/gguf-writer'
import { run, spansOf, threads } from '../support/model'
import { gaussian, randomModel, type RandomOptions } from '../support/random-model'
import { recall } from '../../extension/recall/recall'
import { TestMemory } from '../support/memory'
import { tinyProfile } from '../support/tiny-model'
import { temporaryFolder } from '../support/temp'
import { python, workspace } from '../support/workspace'

function written(options: RandomOptions): string {
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, writeGguf(randomModel({ layers: 3, embedding: 128, feedForward: 160, ...options }).gguf))
  return path
}

function load(path: string, more: Partial<LoadOptions> = {}): Promise<NativeModel> {
  const addon = loadAddon()
  const options = { path, weights: 'file', threads, libraries: librariesFolder(), ...more } as const
  return cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
}

const heads = [
  { layer: 0, head: 1 },
  { layer: 2, head: 0 },
  { layer: 2, head: 1 },
]
const how = { heads, window: 96, sinks: 4 } as const

function randomTokens(model: NativeModel, lengths: readonly number[], seed = 3): EpisodeTokens[] {
  const normal = gaussian(seed)
  const { vocabulary } = model.info()
  return lengths.map((length) => ({
    tokens: Int32Array.from({ length }, () => Math.floor(Math.abs(normal()) * 1e6) % vocabulary),
    units: spansOf(Array.from({ length: Math.floor(length / 30) + 1 }, (_, i) => i * 30)),
  }))
}

const readAll = (model: NativeModel, episodes: readonly EpisodeTokens[], keyFormat: 'f16' | 'q8', bank?: Bank) =>
  run((cancel) => model.readMany(episodes, { ...how, keyFormat, ...(bank ? { bank } : {}) }, cancel, () => undefined))

interface Bank {
  readonly queries: Float32Array
  readonly tokens: Uint32Array
}

function randomBank(model: NativeModel, questions: readonly number[], seed = 8): Bank {
  const normal = gaussian(seed)
  const rows = questions.reduce((a, b) => a + b, 0)
  const length = heads.length * rows * model.info().headSize
  return { queries: Float32Array.from({ length }, () => 0.2 * normal()), tokens: Uint32Array.from(questions) }
}

/** What a question finds in these episodes, statistics of the bank among it. */
async function scored(model: NativeModel, episodes: readonly NativeEpisode[], keyFormat: 'f16' | 'q8') {
  const store = new (loadAddon().Store)(model, heads, keyFormat)
  const files = episodes.map((_, i) => `file${i}`)
  episodes.forEach((episode, i) => store.put(files[i]!, episode))
  const { queries } = randomBank(model, [9], 21)
  return run((cancel) => store.score(files, queries, 9, threads, cancel))
}

/** The length of the difference as a share of the length of what it should be; places where both are infinite aside. */
function share(is: Float32Array, should: Float32Array): number {
  assert.equal(is.length, should.length)
  let [difference, length] = [0, 0]
  for (let i = 0; i < is.length; ++i) {
    if (is[i] === should[i]) continue
    difference += (is[i]! - should[i]!) ** 2
    length += should[i]! ** 2
  }
  return difference === 0 ? 0 : Math.sqrt(difference / length)
}

/** The same tests with kernels on the processor and on a GPU. */
function agrees(
  places: KernelPlaces,
  models: Readonly<Record<string, RandomOptions>>,
  lengths: readonly number[],
): void {
  for (const [name, options] of Object.entries(models))
    it(`keeps of a ${name} model's files what the engine keeps, within 2 %, and finds in it what the processor finds`, async () => {
      const path = written(options)
      const [ours, engine] = [await load(path, places()), await load(path)]
      const { together, kernels } = ours.info()
      assert.equal(kernels, '')
      assert.ok(together >= 8192, `${together} tokens together`)
      assert.equal(engine.info().together, 0)
      const bank = randomBank(engine, [3, 1, 7])
      const episodes = randomTokens(engine, lengths)
      for (const keyFormat of ['f16', 'q8'] as const) {
        const is = await readAll(ours, episodes, keyFormat, bank)
        const should = await readAll(engine, episodes, keyFormat, bank)
        assert.deepEqual(is.map(({ tokens }) => tokens), should.map(({ tokens }) => tokens)) // prettier-ignore
        const [left, right] = [await scored(engine, is, keyFormat), await scored(engine, should, keyFormat)]
        assert.ok(share(left.masses, right.masses) < 0.02, `masses differ by ${share(left.masses, right.masses)}`)
        assert.ok(share(left.bankMean, right.bankMean) < 0.02)
        assert.ok(share(left.bankDeviation, right.bankDeviation) < 0.05)
        // The same keys, scored there.
        const there = await scored(ours, is, keyFormat)
        assert.ok(share(there.masses, left.masses) < 1e-4, `scored ${share(there.masses, left.masses)} apart`)
        assert.deepEqual(there.bankMean, left.bankMean)
      }
      // Another bank and other episodes, by the same reader.
      const other = randomBank(engine, [2, 2], 77)
      const [is, should] = [await readAll(ours, episodes.slice(1, 3), 'f16', other), await readAll(engine, episodes.slice(1, 3), 'f16', other)] // prettier-ignore
      const [left, right] = [await scored(engine, is, 'f16'), await scored(engine, should, 'f16')]
      assert.ok(share(left.bankMean, right.bankMean) < 0.02)
      assert.equal(ours.info().kernels, '')
      for (const model of [ours, engine]) model.dispose()
    })
}

const small: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama', headSize: 64, heads: 2, keyHeads: 1, full: true },
  'qwen2 with biases': { architecture: 'qwen2', headSize: 64, heads: 2, keyHeads: 2 },
  'qwen3 of large heads': { architecture: 'qwen3', headSize: 128, heads: 2, keyHeads: 1 },
}

describe('files read together by our CUDA kernels, as they run on the processor', function () {
  this.timeout(600_000)

  before(needsEmulated)

  const places: KernelPlaces = () => ({ kernels: emulatedKernels, cublas: '' })
  agrees(places, small, [40, 0, 3, 800])

  it('keep nearly the same with products of 8-bit numbers, where they are asked for', async () => {
    const path = written(small['llama']!)
    const [eight, engine] = [await load(path, { ...places(), weights: 'fp8' }), await load(path)]
    const episodes = randomTokens(engine, [300, 40])
    const [is, should] = [await readAll(eight, episodes, 'f16'), await readAll(engine, episodes, 'f16')]
    const apart = share((await scored(engine, is, 'f16')).masses, (await scored(engine, should, 'f16')).masses)
    assert.ok(apart > 1e-4 && apart < 0.2, `masses differ by ${apart}`)
    assert.equal(eight.info().kernels, '')
    for (const model of [eight, engine]) model.dispose()
  })

  it('are all or none when they are cancelled, and can be read afterwards', async () => {
    const model = await load(written(small['llama']!), places())
    const episodes = randomTokens(model, [200, 100])
    const cancel = new (loadAddon().Cancel)()
    const call = model.readMany(episodes, { ...how, keyFormat: 'q8' }, cancel, () => undefined)
    cancel.cancel()
    await assert.rejects(call, { code: 'cancelled' })
    assert.equal((await readAll(model, episodes, 'q8')).length, 2)
    assert.equal(model.info().kernels, '')
    model.dispose()
  })

  it('make a memory that finds what one of the engine finds, with as many files in a call as there are', async () => {
    const path = written(small['llama']!)
    const root = workspace(Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`f${i}.py`, python(`function_${i}`, i)]))) // prettier-ignore
    const shape = { layers: 3, heads: 2, embedding: 128 }
    const profile = { ...tinyProfile, shape, heads: heads.map((head) => ({ ...head, weight: 1 / 3 })), window: 96 }
    const found: Map<string, number>[] = []
    for (const more of [places(), {}]) {
      const model = await load(path, more)
      let calls = 0
      const readMany = model.readMany.bind(model)
      const counted = (...call: Parameters<typeof readMany>) => (++calls, readMany(...call))
      Object.defineProperty(model, 'readMany', { value: counted })
      const loaded = { addon: loadAddon(), model, profile, threads, fingerprint: 'tiny' }
      const opened = await TestMemory.open(root, null, undefined, loaded)
      assert.equal((await opened.read()).files, 4)
      assert.equal(calls, 'kernels' in more ? 1 : 4)
      const options = { top: 100, signals: 'attention', rerank: false, rarity: true } as const
      const { units } = await recall(opened.memory, 'where is function_3', options, opened.options())
      found.push(new Map(units.map(({ file, startLine, score }) => [`${file}:${startLine}`, score])))
      assert.equal(model.info().kernels, '')
    }
    const [is, should] = found as [Map<string, number>, Map<string, number>]
    assert.ok(should.size >= 4)
    assert.deepEqual([...is.keys()].sort(), [...should.keys()].sort())
    const apart = [...should].map(([unit, score]) => Math.abs(score - is.get(unit)!))
    // Scores are deviations from the mean of all units.
    assert.ok(Math.max(...apart) < 0.1, `scores differ by ${Math.max(...apart)}`)
    assert.ok(Math.max(...should.values()) - Math.min(...should.values()) > 1)
  })

  /** Reads and scores as the engine does, to the last bit. */
  async function isTheEngine(model: NativeModel, path: string): Promise<void> {
    const engine = await load(path)
    const episodes = randomTokens(engine, [150, 31])
    const bank = randomBank(engine, [3, 1])
    const [is, should] = [await readAll(model, episodes, 'q8', bank), await readAll(engine, episodes, 'q8', bank)]
    assert.deepEqual(await scored(model, is, 'q8'), await scored(engine, should, 'q8'))
    assert.equal(model.info().together, 0)
    for (const one of [model, engine]) one.dispose()
  }

  for (const [
    what,
    name,
  ] of [['has no memory', 'LONGREAD_EMULATED_FULL'], ['computes wrongly', 'LONGREAD_EMULATED_WRONG']] as const) // prettier-ignore
    it(`are read one by one where the GPU ${what}, which is found out before anything is kept`, async () => {
      const path = written(small['llama']!)
      const model = await load(path, places())
      assert.ok(model.info().together > 0)
      process.env[name] = '1'
      try {
        await readAll(model, randomTokens(model, [20]), 'q8')
      } finally {
        Reflect.deleteProperty(process.env, name)
      }
      assert.match(
        model.info().kernels,
        name.endsWith('FULL') ? /no memory on the GPU/ : /differs by .* from what ggml/,
      )
      await isTheEngine(model, path)
    })

  it('needs no sketches of keys that do not stay in memory where the GPU has room for all of them', async () => {
    const path = written(small['llama']!)
    const [model, engine] = [await load(path, places()), await load(path)]
    const episodes = await readAll(engine, randomTokens(engine, [90, 200]), 'q8')
    const { queries } = randomBank(model, [9], 21)
    const files = ['file0', 'file1']
    const scores = []
    for (const one of [model, engine]) {
      const store = new (loadAddon().Store)(one, heads, 'q8')
      episodes.forEach((episode, i) => store.put(files[i]!, episode))
      store.keepResident(0)
      assert.equal(store.overflows(), one === engine)
      scores.push(await run((cancel) => store.score(files, queries, 9, threads, cancel)))
      // A change, and the same again.
      store.put('file0', episodes[1]!)
      scores.push(await run((cancel) => store.score(files, queries, 9, threads, cancel)))
    }
    const [is, changed, should, shouldChange] = scores
    assert.ok(share(is!.masses, should!.masses) < 1e-4)
    assert.ok(share(changed!.masses, shouldChange!.masses) < 1e-4)
    for (const one of [model, engine]) one.dispose()
  })

  it('scores on the processor where the GPU has no memory for keys', async () => {
    const path = written(small['llama']!)
    const [model, engine] = [await load(path, places()), await load(path)]
    const episodes = await readAll(engine, randomTokens(engine, [90]), 'q8')
    const store = new (loadAddon().Store)(model, heads, 'q8')
    store.put('file', episodes[0]!)
    const { queries } = randomBank(model, [9], 21)
    process.env['LONGREAD_EMULATED_FULL'] = '1'
    try {
      const is = await run((cancel) => store.score(['file'], queries, 9, threads, cancel))
      const should = await scored(engine, episodes, 'q8')
      assert.deepEqual(is, should)
    } finally {
      Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_FULL')
    }
    for (const one of [model, engine]) one.dispose()
  })

  it('are read one by one, and it is said why, where the library is missing, none of ours, or for another model', async () => {
    const path = written(small['llama']!)
    for (const [kernels, why] of [
      ['/nowhere/longread-cuda.so', /nowhere.*No such file/],
      [path, /invalid ELF header/],
      [built('longread-oracle.node'), /undefined symbol|lacks longread_cuda_version/],
    ] as const) {
      const model = await load(path, { kernels, cublas: '' })
      assert.match(model.info().kernels, why)
      await isTheEngine(model, path)
    }
    const gemma = written({ architecture: 'gemma3', headSize: 64, heads: 2, keyHeads: 1 })
    const model = await load(gemma, places())
    assert.equal(model.info().kernels, 'there are none for the architecture gemma3')
    await isTheEngine(model, gemma)
    const narrow = written({ architecture: 'llama', headSize: 32, heads: 2, keyHeads: 1 })
    const other = await load(narrow, places())
    assert.equal(other.info().kernels, 'there are none for heads of 32')
    await isTheEngine(other, narrow)
  })

  it('are read one by one where the kernels were built and there is no GPU', async function () {
    const { kernels } = ownKernels(librariesFolder())
    if (kernels === undefined) {
      console.log('      skipped: built by .ci/cuda where nvcc is')
      this.skip()
    }
    const path = written(small['llama']!)
    // Named without a GPU's name, as no GPU is.
    const model = await load(path, { kernels, cublas: 'libcublasLt.so.13' })
    assert.match(model.info().kernels, /GPU/)
    await isTheEngine(model, path)
  })
})

describe('files read together by our CUDA kernels on a GPU', function () {
  this.timeout(600_000)
  before(needsCuda)
  before(function () {
    if (ownKernels(librariesFolder()).kernels !== undefined) return
    console.log('      skipped: built by .ci/cuda where nvcc is')
    this.skip()
  })

  agrees(
    () => ({ ...ownKernels(librariesFolder()), device: 'cuda' }),
    {
      ...small,
      'llama of many heads': { architecture: 'llama', headSize: 64, heads: 9, keyHeads: 3, embedding: 576, feedForward: 1536 }, // prettier-ignore
    },
    // One is longer than a batch.
    [40, 0, 3, 1700, 34_000, 5000, 129, 640],
  )
})
