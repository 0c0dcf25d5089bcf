/**
 * InfLLM's method by our own CUDA kernels, against its equations written down plainly (support/plain-infllm.ts) and against the
 * processor's engine, for models of random weights: logits within what half precision does, the same units. Everywhere with the kernels
 * that run on the processor, thread by thread; with those of a GPU where there is one.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type InfLlmParameters,
  type LoadOptions,
  type NativeInfLlm,
  type NativeModel,
  type UsedUnits,
} from '../../extension/engine/addon'
import { ownKernels } from '../../extension/engine/cuda'
import { emulatedKernels, needsCuda, needsEmulated, type KernelPlaces } from '../support/cuda'
import { writeGguf } from '../support/gguf-writer'
import { run, threads } from '../support/model'
import { readByUnits } from '../support/plain-infllm'
import { gaussian, randomModel, type RandomModel, type RandomOptions } from '../support/random-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const none = new Int32Array()

const parameters: InfLlmParameters = {
  nInit: 8,
  nLocal: 32,
  blockSize: 8,
  topk: 3,
  reprTopk: 2,
  maxCachedBlock: 4,
  excBlockSize: 16,
  perhead: false,
  distance: 0,
  places: 'one',
  format: 'f16',
  folder: '',
}

interface Subject {
  readonly random: RandomModel
  /** With kernels, and without. */
  readonly ours: NativeModel
  readonly engine: NativeModel
}

async function load(options: RandomOptions, places: KernelPlaces): Promise<Subject> {
  const random = randomModel({ layers: 2, embedding: 64, feedForward: 96, ...options, full: true })
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, writeGguf(random.gguf))
  const addon = loadAddon()
  const loaded = (more: Partial<LoadOptions>) =>
    cancellable(addon, undefined, (cancel) => {
      const request = { path, weights: 'file', threads, libraries: librariesFolder(), ...more } as const
      return addon.loadModel(request, cancel, () => undefined)
    })
  return { random, ours: await loaded(places()), engine: await loaded({}) }
}

const someTokens = (random: RandomModel, length: number, seed: number): Int32Array => {
  const normal = gaussian(seed)
  return Int32Array.from({ length }, () => Math.floor(Math.abs(normal()) * 1e6) % random.vocab)
}

const memoryOf = (model: NativeModel, more: Partial<InfLlmParameters> = {}): NativeInfLlm =>
  new (loadAddon().InfLlm)(model, { ...parameters, ...more })

const read = (memory: NativeInfLlm, tokens: Int32Array, lengths: Int32Array = none, trace = true) =>
  run((cancel) => memory.read({ tokens, lengths, rows: Int32Array.from(tokens.keys()), trace }, cancel, () => 0))

const lists = (trace: readonly (readonly (readonly (readonly number[] | Int32Array)[])[])[]) =>
  trace.map((layers) => layers.map((list) => list.map((units) => [...units]).filter((units) => units.length > 0)))

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** The largest difference, as a share of the largest value. */
function apart(is: ArrayLike<number>, should: ArrayLike<number>): number {
  assert.equal(is.length, should.length)
  return largest(Array.from(is, (value, i) => value - should[i]!)) / largest(should)
}

const question = (tokens: Int32Array) =>
  ({
    tokens,
    temperature: 0,
    topP: 1,
    seed: 0,
    maxTokens: 3,
    lookUps: 'each',
    twice: false,
    agree: 0,
    units: none,
  }) as const

async function answerTo(memory: NativeInfLlm, request: Parameters<NativeInfLlm['answer']>[0]) {
  const made: number[] = []
  let units: UsedUnits = []
  await run((cancel) =>
    memory.answer(request, cancel, ({ units: used, token }) => {
      if (used) units = used
      if (token) made.push(token.token)
    }),
  )
  return { made, units: lists([units])[0]! }
}

const models: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama', headSize: 64, heads: 2, keyHeads: 1 },
  'qwen2 with biases': { architecture: 'qwen2', headSize: 64, heads: 3, keyHeads: 1 },
  'qwen3 of large heads': { architecture: 'qwen3', headSize: 128, heads: 2, keyHeads: 2 },
}

/** Half precision of keys, values, products and what is between them; units are chosen by scores that differ by less. */
const bound = 0.02

function agrees(places: KernelPlaces, length: number): void {
  for (const [name, options] of Object.entries(models))
    describe(`of a ${name} model`, () => {
      let subject: Subject
      before(async () => (subject = await load(options, places)))
      after(() => [subject.ours, subject.engine].forEach((model) => model.dispose()))

      const rope = { base: 10_000, scale: 1 }
      for (const [what, more, cuts] of [
        ['blocks of tokens', {} as Partial<InfLlmParameters>, []],
        ['units that all their tokens represent', { reprTopk: 8 }, []],
        ['units that are cut', { blockSize: 12, nInit: 5, reprTopk: 12 }, [3, 9, 12, 1, 7, 12, 4]],
        ['a window that is no multiple of anything, and another distance', { nLocal: 37, excBlockSize: 11, blockSize: 5, distance: 20 }, []], // prettier-ignore
      ] as const)
        it(`gives the logits of the equations and looks up their units, with ${what}`, async () => {
          const { random, ours } = subject
          const tokens = someTokens(random, length, 5)
          const all: number[] = []
          for (let left = tokens.length, i = 0; cuts.length > 0 && left > 0; ++i) {
            all.push(Math.min(left, cuts[i % cuts.length]!))
            left -= all.at(-1)!
          }
          const memory = memoryOf(ours, more)
          assert.ok(memory.info().gpu)
          const is = await read(memory, tokens, Int32Array.from(all))
          const should = readByUnits({
            model: random,
            tokens,
            parameters: { ...parameters, ...more },
            lengths: all,
            rope: () => rope,
            sliding: () => 0,
            follow: is.trace,
          })
          assert.ok(should.misses.length > length / parameters.excBlockSize)
          // Which tokens represent a unit is nearly a tie once in a while, and then rounding decides; then scores are others.
          const missed = should.misses.filter((miss) => miss > 0.01)
          const some = (more.reprTopk ?? parameters.reprTopk) < parameters.blockSize ? 0.05 : 0
          assert.ok(
            missed.length <= some * should.misses.length,
            `of ${should.misses.length} look-ups: ${missed.join(' ')}`,
          )
          const worst = apart(
            is.logits,
            should.logits.flatMap((row) => [...row]),
          )
          assert.ok(worst < bound, `logits differ by ${worst}`)
          // Many blocks at once, and their units all the same.
          const together = memoryOf(ours, more)
          const { logits } = await read(together, tokens, Int32Array.from(all), false)
          // What is computed beside one another is waited for: it comes out the same every time.
          const again = memoryOf(ours, more)
          assert.deepEqual((await read(again, tokens, Int32Array.from(all), false)).logits, logits)
          again.dispose()
          assert.ok(apart(logits, is.logits) < 0.005, `together they differ by ${apart(logits, is.logits)}`)
          assert.deepEqual(together.unitStarts(), memory.unitStarts())
          for (const one of [memory, together]) one.dispose()
        })

      it('answers with the units of the processor, as if it went on reading, forgets the question, and goes on', async () => {
        const { random, ours, engine } = subject
        const tokens = someTokens(random, length, 4)
        const asked = question(someTokens(random, 50, 9)) // longer than the window
        const [gpu, cpu] = [memoryOf(ours, { reprTopk: 8 }), memoryOf(engine, { reprTopk: 8 })]
        for (const memory of [gpu, cpu]) await read(memory, tokens, none, false)
        const before = gpu.info()
        const first = await answerTo(gpu, asked)
        assert.deepEqual(await answerTo(gpu, asked), first)
        // Other tokens may be as likely, to the processor; units are not chosen by so little.
        for (const how of [
          {},
          { units: Int32Array.of(2, 9) },
          { lookUps: 'once' },
          { lookUps: 'once', twice: true },
          { agree: 2 },
        ] as const) {
          const [is, should] = [await answerTo(gpu, { ...asked, ...how }), await answerTo(cpu, { ...asked, ...how })]
          assert.deepEqual(is.units, should.units)
          assert.equal(is.made.length, should.made.length)
        }
        const { tokens: count, units } = gpu.info()
        assert.deepEqual([count, units], [before.tokens, before.units])
        const more = someTokens(random, 70, 12)
        const [is, should] = [await read(gpu, more), await read(cpu, more)]
        assert.deepEqual(lists(is.trace), lists(should.trace))
        assert.ok(apart(is.logits, should.logits) < bound)
        // Token by token what a memory gives that reads question and answer.
        const reading = memoryOf(ours, { reprTopk: 8 })
        await read(reading, tokens, none, false)
        let next: Float32Array = (await read(reading, asked.tokens)).logits.slice(-random.vocab)
        for (const token of first.made) {
          assert.equal(next.indexOf(Math.max(...next)), token)
          next = (await read(reading, Int32Array.of(token))).logits
        }
        for (const memory of [gpu, cpu, reading]) memory.dispose()
      })
    })
}

describe('InfLLM by our CUDA kernels, as they run on the processor', function () {
  this.timeout(600_000)
  before(needsEmulated)
  const places: KernelPlaces = () => ({ kernels: emulatedKernels, cublas: '' })
  agrees(places, 300)

  it('uses a GPU of the same size however long the stream is, and fetches what does not fit', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const memory = memoryOf(ours)
    const sizes: number[] = []
    for (const length of [400, 800]) {
      await read(memory, someTokens(random, length, 7), none, false)
      const { bytes, unitBytes, reads } = memory.info()
      sizes.push(bytes - unitBytes)
      assert.ok(reads > 0)
    }
    // Representative keys of 256 units are taken at once: these are fewer.
    assert.equal(sizes[1], sizes[0])
    memory.dispose()
  })

  it('says what it cannot read, and what does not fit', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const refuses = (more: Partial<InfLlmParameters>, what: RegExp) => assert.throws(() => memoryOf(ours, more), what)
    refuses({ perhead: true }, /every head chooses.*--device cpu/)
    refuses({ places: 'ordered' }, /ordered places.*--device cpu/)
    refuses({ format: 'q8_0' }, /f16 only.*--device cpu/)
    refuses({ nLocal: 4096 }, /trained for 2048/)
    const memory = memoryOf(ours)
    await rejects(read(memory, Int32Array.of(random.vocab)), 'internal')
    await rejects(read(memory, Int32Array.of(1, 2), Int32Array.of(3)), 'usage')
    await rejects(answerTo(memory, { ...question(Int32Array.of(1)), units: Int32Array.of(7) }), 'usage')
    await rejects(
      cancellable(loadAddon(), undefined, () => memory.save('x', 'y')),
      'usage',
    )
    await rejects(
      cancellable(loadAddon(), undefined, () => memory.restore('x', 'y')),
      'no-segment',
    )
    memory.dispose()
  })

  it('stops when it is cancelled, and goes on afterwards', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const memory = memoryOf(ours)
    const tokens = someTokens(random, 400, 4)
    const abort = new AbortController()
    const request = { tokens, lengths: none, rows: none, trace: false }
    const reading = cancellable(loadAddon(), abort.signal, (cancel) =>
      memory.read(request, cancel, () => abort.abort()),
    )
    await rejects(reading, 'cancelled')
    const done = memory.info().tokens
    assert.ok(done > 0 && done < 400)
    await read(memory, tokens.subarray(done), none, false)
    assert.equal(memory.info().tokens, 400)
    memory.dispose()
  })
})

describe('InfLLM by our CUDA kernels on a GPU', function () {
  this.timeout(600_000)
  before(needsCuda)
  before(function () {
    if (ownKernels(librariesFolder()).kernels !== undefined) return
    console.log('      skipped: built by .ci/cuda where nvcc is')
    this.skip()
  })
  agrees(() => ({ ...ownKernels(librariesFolder()), device: 'cuda' }), 1500)
})
