/**
 * InfLLM's method by our own CUDA kernels, against its equations written down plainly (support/plain-infllm.ts), for models of random
 * weights: logits within what half precision does, units as good as the best within a hundredth. Everywhere with the kernels
 * that run on the processor, thread by thread; with those of a GPU where there is one.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type InfLlmParameters,
  type LoadOptions,
  type NativeInfLlm,
  type NativeModel,
  type UnitCandidates,
  type UsedUnits,
} from '../../extension/engine/addon'
import { ownKernels } from '../../extension/engine/cuda'
import type { ErrorCode } from '../../extension/errors'
import { emulatedKernels, needsCuda, needsEmulated, type KernelPlaces } from '../support/cuda'
import { writeGguf } from '../support/gguf-writer'
import { threads } from '../support/model'
import { readByUnits } from '../support/plain-infllm'
import { randomModel, type RandomModel, type RandomOptions } from '../support/random-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import {
  answerTo,
  memoryOf as makeMemory,
  question,
  readAll as read,
  readParts,
  smallParameters,
  someTokens,
  type TextPart,
  restoreFrom,
  saveTo,
} from '../support/units'

interface Subject {
  readonly random: RandomModel
  readonly ours: NativeModel
}

async function load(options: RandomOptions, places: KernelPlaces, weights: 'file' | 'fp8' = 'file'): Promise<Subject> {
  const random = randomModel({ layers: 2, embedding: 64, feedForward: 96, ...options, full: true })
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, writeGguf(random.gguf))
  const addon = loadAddon()
  const request: LoadOptions = { path, weights, threads, libraries: librariesFolder(), ...places() }
  return { random, ours: await cancellable(addon, undefined, (cancel) => addon.loadModel(request, cancel, () => 0)) }
}

const memoryOf = (model: NativeModel, more: Partial<InfLlmParameters> = {}): NativeInfLlm =>
  makeMemory(model, { ...smallParameters, ...more })

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** The largest difference, as a share of the largest value. */
function apart(is: ArrayLike<number>, should: ArrayLike<number>): number {
  assert.equal(is.length, should.length)
  return largest(Array.from(is, (value, i) => value - should[i]!)) / largest(should)
}

/** Block by block: logits and trace of all. */
async function readByBlocks(memory: NativeInfLlm, tokens: Int32Array, block: number) {
  const [logits, trace]: [number[], UsedUnits[]] = [[], []]
  for (let first = 0; first < tokens.length; first += block) {
    const is = await read(memory, tokens.subarray(first, first + block))
    logits.push(...is.logits)
    trace.push(...is.trace)
  }
  return { logits, trace }
}

const models: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama', headSize: 64, heads: 2, keyHeads: 1 },
  'qwen2 with biases': { architecture: 'qwen2', headSize: 64, heads: 3, keyHeads: 1 },
  'qwen3 of large heads': { architecture: 'qwen3', headSize: 128, heads: 2, keyHeads: 2 },
}

/** Half precision of keys, values, products and what is between them, as a share of the largest logit. */
const bound = 0.02
/** By how much less than the best a unit may score that is chosen in its stead: which of two nearly alike is, rounding decides. */
const tie = 0.01

const rope = { base: 10_000, scale: 1 }

interface Read {
  readonly logits: ArrayLike<number>
  readonly trace: readonly UsedUnits[]
}

/** Held against the equations, given the units that were chosen; and these against those that score best. */
function followed(
  random: RandomModel,
  tokens: Int32Array,
  { logits, trace }: Read,
  more: Partial<InfLlmParameters>,
  lengths: readonly number[] = [],
  parts: readonly TextPart[] = [{ tokens: tokens.length, lengths }],
) {
  // prettier-ignore
  const parameters = { ...smallParameters, ...more }
  const should = readByUnits({ model: random, tokens, parameters, lengths, parts, rope: () => rope, sliding: () => 0, follow: trace }) // prettier-ignore
  assert.ok(should.misses.length > tokens.length / parameters.excBlockSize)
  // Which tokens represent a unit is nearly a tie once in a while, too; then scores are others.
  const missed = should.misses.filter((miss) => miss > tie)
  const some = parameters.reprTopk < parameters.blockSize ? 0.05 : 0
  assert.ok(missed.length <= some * should.misses.length, `of ${should.misses.length} look-ups: ${missed.join(' ')}`)
  const rows = should.logits.slice(tokens.length - logits.length / random.vocab).flatMap((row) => [...row])
  const worst = apart(logits, rows)
  assert.ok(worst < bound, `logits differ by ${worst}`)
  return should
}

function agrees(places: KernelPlaces, length: number): void {
  for (const [name, options] of Object.entries(models))
    describe(`of a ${name} model`, () => {
      let subject: Subject
      before(async () => (subject = await load(options, places)))
      after(() => subject.ours.dispose())

      it('reads by a window alone, where nothing is looked up, as the processor does', async () => {
        const processor = await load(options, () => ({}))
        const tokens = someTokens(subject.random, length, 5)
        const [is, should] = await Promise.all(
          [subject.ours, processor.ours].map(async (model) => {
            const memory = memoryOf(model, { topk: 0, maxCachedBlock: 0 })
            const { logits } = await read(memory, tokens)
            memory.dispose()
            return logits
          }),
        )
        assert.ok(is!.length > 0 && apart(is!, should!) < bound)
        processor.ours.dispose()
      })

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
          followed(random, tokens, is, more, all)
          // What is computed beside one another is waited for: it comes out the same every time, traced or not.
          for (const trace of [true, false]) {
            const again = memoryOf(ours, more)
            const { logits, trace: units } = await read(again, tokens, Int32Array.from(all), trace)
            assert.deepEqual(logits, is.logits)
            if (trace) assert.deepEqual(units, is.trace)
            assert.deepEqual(again.unitStarts(), memory.unitStarts())
            again.dispose()
          }
          memory.dispose()
          if (all.length > 0) return
          // Products of fewer rows are rounded otherwise, so that other units may be chosen: nearly as good ones.
          const blocks = memoryOf(ours, more)
          followed(random, tokens, await readByBlocks(blocks, tokens, more.excBlockSize ?? smallParameters.excBlockSize), more) // prettier-ignore
          blocks.dispose()
        })

      it('looks up among the units that it is told, and some of them first', async () => {
        const { random, ours } = subject
        for (const cut of [true, false]) {
          const more = { blockSize: 12, nInit: 5, reprTopk: 12 }
          const one = Math.floor(length / 3)
          const lengths = (tokens: number) => {
            const all: number[] = []
            for (let left = cut ? tokens : 0, i = 0; left > 0; left -= all.at(-1)!)
              all.push(Math.min(left, [3, 9, 12, 1, 7][i++ % 5]!))
            return all
          }
          const part = (tokens: number, among: UnitCandidates) => ({ tokens, lengths: lengths(tokens), ...among })
          // Those that come first fill the budget or do not, and some are made while these tokens are read.
          const parts = [
            part(one, {}),
            part(one, { before: one, first: Int32Array.of(10, 20, 50, 60) }),
            part(one + 1, { first: Int32Array.of(0, 1, 30, 90, 2 * one - 20, 2 * one) }),
            part(1, { before: 40 }),
          ]
          const tokens = someTokens(random, 3 * one + 2, 5)
          const memory = memoryOf(ours, more)
          const is = await readParts(memory, tokens, parts)
          followed(random, tokens, is, more, parts.flatMap((each) => each.lengths), parts) // prettier-ignore
          const starts = memory.unitStarts()
          const firstIn = (block: number) =>
            is.trace[block]!.flatMap(([units]) => [...units!].filter((unit) => starts[unit]! >= 30 && starts[unit]! < 90)) // prettier-ignore
          assert.ok(firstIn(is.trace.length - 2).length > 2)
          // A question is asked of all.
          const asked = someTokens(random, 20, 9)
          await answerTo(memory, question(asked, 2))
          const then = await read(memory, asked, Int32Array.from(lengths(asked.length)))
          const whole = Int32Array.of(...tokens, ...asked)
          const after = [...parts, part(asked.length, {})]
          followed(random, whole, { logits: then.logits, trace: [...is.trace, ...then.trace] }, more, after.flatMap((each) => each.lengths), after) // prettier-ignore
          memory.dispose()
        }
      })

      it('answers as if it went on reading, forgets the question, and goes on', async () => {
        const { random, ours } = subject
        const more = { reprTopk: 8 }
        const tokens = someTokens(random, Math.floor(length / 16) * 16, 4)
        const asked = question(someTokens(random, 50, 9), 3) // longer than the window
        const gpu = memoryOf(ours, more)
        const { trace } = await read(gpu, tokens)
        const before = gpu.info()
        const first = await answerTo(gpu, asked)
        assert.deepEqual(await answerTo(gpu, asked), first)
        // The best of what the layers chose, older ones first.
        const old = first.units.map((list) => [...list[0]!].filter((unit) => unit < before.units))
        const votes = (unit: number) => old.filter((units) => units.includes(unit)).length
        const agreed = [...new Set(old.flat())].sort((a, b) => votes(b) - votes(a) || a - b).slice(0, 2)
        for (const [how, units] of [
          [{ units: Int32Array.of(2, 9) }, old.map(() => [2, 9])],
          [{ lookUps: 'once', twice: true }, old],
          [{ agree: 2 }, old.map(() => agreed.sort((a, b) => a - b))],
        ] as const) {
          const is = await answerTo(gpu, { ...asked, ...how })
          assert.deepEqual(is.units.map((list) => [...list[0]!]), units) // prettier-ignore
          assert.equal(is.made.length, 3)
        }
        assert.deepEqual((await answerTo(gpu, { ...asked, lookUps: 'once' })).units, first.units)
        assert.deepEqual([gpu.info().tokens, gpu.info().units], [before.tokens, before.units])
        // As the equations go on.
        const next = someTokens(random, 70, 12)
        const { logits, trace: units } = await read(gpu, next)
        followed(random, Int32Array.of(...tokens, ...next), { logits, trace: [...trace, ...units] }, more)
        // Token by token what a memory gives that reads question and answer.
        const reading = memoryOf(ours, more)
        await read(reading, tokens)
        const heard = await read(reading, asked.tokens)
        const text = Int32Array.of(...tokens, ...asked.tokens)
        const should = followed(random, text, { logits: heard.logits, trace: [...trace, ...heard.trace] }, more)
        // A marked window lies elsewhere, so that its keys are rounded otherwise.
        first.units.forEach((list, layer) =>
          assert.ok(should.missOf(Math.ceil(text.length / 16) - 1, layer, [...list[0]!]) < tie),
        )
        let said: ArrayLike<number> = heard.logits.slice(-random.vocab)
        for (const token of first.made) {
          assert.ok(said[token]! > Math.max(...Array.from(said)) - bound * largest(said))
          said = (await read(reading, Int32Array.of(token))).logits
        }
        for (const memory of [gpu, reading]) memory.dispose()
      })
    })

  it('gives nearly the same with products of 8-bit numbers, where they are asked for', async function () {
    const { random, ours } = await load(models['llama']!, places, 'fp8')
    const tokens = someTokens(random, length, 5)
    const memory = memoryOf(ours, { reprTopk: 8 })
    assert.ok(memory.info().gpu)
    const is = await read(memory, tokens)
    const parameters = { ...smallParameters, reprTopk: 8 }
    const should = readByUnits({ model: random, tokens, parameters, lengths: [], rope: () => rope, sliding: () => 0, follow: is.trace }) // prettier-ignore
    const rows = should.logits.flatMap((row) => [...row])
    const length2 = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0)) // prettier-ignore
    const differs = length2(Array.from(is.logits, (value, i) => value - rows[i]!)) / length2(rows)
    console.log(`        differs by ${differs.toFixed(3)}; choices by at most ${largest(should.misses).toFixed(3)}`)
    assert.ok(differs > 0.01 && differs < 0.3, `differs by ${differs}`)
    assert.ok(largest(should.misses) < 0.2)
    memory.dispose()
    ours.dispose()
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
    assert.ok(memory.info().gpu, ours.info().kernels)
    const sizes: number[] = []
    for (const length of [400, 800]) {
      await read(memory, someTokens(random, length, 7))
      const { bytes, unitBytes, reads } = memory.info()
      sizes.push(bytes - unitBytes)
      assert.ok(reads > 0)
    }
    // Representative keys of 256 units are taken at once: these are fewer.
    assert.equal(sizes[1], sizes[0])
    assert.equal(memory.info().gpuBytes, sizes[0])
    memory.dispose()
  })

  it('reads the same with representative keys beside a GPU, of whose memory it then takes no more', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const [tokens, next] = [someTokens(random, 320, 4), someTokens(random, 20, 12)]
    const asked = question(someTokens(random, 20, 9), 2)
    // Units of one token: representative keys of 256 are taken at once, in halves, of two layers with two heads of 64.
    const [short, piece] = [{ blockSize: 1, reprTopk: 1, topk: 24, maxCachedBlock: 24 }, 256 * 2 * 2 * 64 * 2]
    const tell = async (maxReprMegabytes: number, taken?: string) => {
      const memory = memoryOf(ours, { ...short, maxReprMegabytes })
      if (taken === undefined) await read(memory, tokens.subarray(0, 16))
      else await restoreFrom(memory, taken, 'weights')
      const before = memory.info().gpuBytes
      const trace = taken === undefined ? (await read(memory, tokens.subarray(16))).trace : []
      const path = join(temporaryFolder(), 'kept')
      await saveTo(memory, path, 'weights')
      const is = { answer: await answerTo(memory, asked), end: await read(memory, next) }
      const { bytes, unitBytes, gpuBytes, units } = memory.info()
      memory.dispose()
      assert.ok(units > 256 && units <= 512)
      return { trace, is, path, grown: gpuBytes - before, pinned: bytes - unitBytes - gpuBytes }
    }
    const [should, beside] = [await tell(smallParameters.maxReprMegabytes), await tell(0)]
    assert.deepEqual([should.grown, should.pinned], [2 * piece, 0])
    assert.deepEqual([beside.grown, beside.pinned], [0, 2 * piece])
    assert.deepEqual([beside.trace, beside.is], [should.trace, should.is])
    assert.ok(should.is.end.trace.flat(2).some((units) => units.some((unit) => unit < 256) && units.some((unit) => unit >= 256))) // prettier-ignore
    // What one keeps the other takes; both pieces have room in a megabyte.
    const [there, back] = [await tell(0, should.path), await tell(1, beside.path)]
    for (const { is } of [there, back]) assert.deepEqual(is, should.is)
    assert.deepEqual([there.grown, there.pinned, back.grown, back.pinned], [0, 2 * piece, 0, 0])
    ours.dispose()
  })

  it('says what it cannot read, and what does not fit', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const refuses = (more: Partial<InfLlmParameters>, what: RegExp, code: ErrorCode = 'gpu-unfit') =>
      assert.throws(() => memoryOf(ours, more), { code, message: what })
    refuses({ perhead: true }, /every head chooses/)
    refuses({ places: 'ordered' }, /ordered places/)
    refuses({ format: 'q8_0' }, /f16 only/)
    refuses({ nLocal: 4096 }, /trained for 2048/, 'usage')
    const memory = memoryOf(ours)
    await rejects(read(memory, Int32Array.of(random.vocab)), 'internal')
    await rejects(read(memory, Int32Array.of(1, 2), Int32Array.of(3)), 'usage')
    await rejects(answerTo(memory, { ...question(Int32Array.of(1), 3), units: Int32Array.of(7) }), 'usage')
    await rejects(restoreFrom(memory, join(temporaryFolder(), 'none'), 'y'), 'no-segment')
    await rejects(saveTo(memory, '/nowhere/at/all', 'y'), 'disk')
    await rejects(restoreFrom(memory, [], 'y'), 'usage')
    const aborted = AbortSignal.abort()
    const path = join(temporaryFolder(), 'kept')
    await rejects(
      cancellable(loadAddon(), aborted, (cancel) => memory.save(path, 'y', cancel, () => 0)),
      'cancelled',
    )
    await saveTo(memory, path, 'y')
    await rejects(
      cancellable(loadAddon(), aborted, (cancel) => memory.restore([path], 'y', cancel, () => 0)),
      'cancelled',
    )
    memory.dispose()
  })

  it('is kept on disk, and goes on from there as if it had not stopped', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const [tokens, next] = [someTokens(random, 200, 4), someTokens(random, 50, 12)]
    const asked = question(someTokens(random, 50, 9), 3)
    const lengthsOf = (count: number) => Int32Array.from([...new Array<number>(count / 10).fill(10)])
    for (const [more, lengths] of [
      [{ reprTopk: 8 }, () => new Int32Array()],
      [{ blockSize: 12, nInit: 5, reprTopk: 12 }, lengthsOf],
    ] as const) {
      const path = join(temporaryFolder(), 'kept')
      const [saved, stopped, never] = [memoryOf(ours, more), memoryOf(ours, more), memoryOf(ours, more)]
      await read(saved, tokens, lengths(200))
      await read(never, tokens, lengths(200))
      await saveTo(saved, path, 'weights')
      await restoreFrom(stopped, path, 'weights')
      const { tokens: count, units } = saved.info()
      assert.deepEqual([stopped.info().tokens, stopped.info().units], [count, units])
      assert.deepEqual(stopped.unitStarts(), saved.unitStarts())
      const answers = await Promise.all([saved, stopped, never].map((memory) => answerTo(memory, asked)))
      assert.deepEqual(answers[1], answers[0])
      assert.deepEqual(answers[2], answers[0])
      const [is, should, plain] = await Promise.all(
        [stopped, saved, never].map((memory) => read(memory, next, lengths(50))),
      )
      assert.deepEqual(is, should)
      assert.deepEqual(plain, should)
      assert.deepEqual(stopped.unitStarts(), saved.unitStarts())
      await rejects(restoreFrom(stopped, path, 'weights'), 'usage')
      // What was kept of others, or is damaged, is one clear error.
      const refused = async (model: NativeModel, parameters: Partial<InfLlmParameters>, identity: string) => {
        const memory = memoryOf(model, { ...more, ...parameters })
        await rejects(restoreFrom(memory, path, identity), 'bad-segment')
        memory.dispose()
      }
      await refused(ours, {}, 'other weights')
      await refused(ours, { topk: 2 }, 'weights')
      const whole = readFileSync(`${path}.stream`)
      for (const size of [0, 3, 24, 60, 200, Math.floor(whole.length / 2), whole.length - 1]) {
        writeFileSync(`${path}.stream`, whole.subarray(0, size))
        await refused(ours, {}, 'weights')
      }
      for (const at of [0, 9, 30, 80, 100, Math.floor(whole.length / 2), whole.length - 1]) {
        const damaged = Buffer.from(whole)
        damaged[at]! ^= 4
        writeFileSync(`${path}.stream`, damaged)
        await refused(ours, {}, 'weights')
      }
      for (const memory of [saved, stopped, never]) memory.dispose()
    }
    ours.dispose()
  })

  it('keeps what no processor reads, nor the other way round', async () => {
    const { ours, random } = await load(models['llama']!, places)
    const { ours: plain } = await load(models['llama']!, () => ({}))
    const path = join(temporaryFolder(), 'kept')
    for (const [from, to] of [
      [ours, plain],
      [plain, ours],
    ] as const) {
      const [saved, other] = [memoryOf(from, { folder: temporaryFolder() }), memoryOf(to)]
      await read(saved, someTokens(random, 100, 3))
      await saveTo(saved, path, 'weights')
      await rejects(restoreFrom(other, path, 'weights'), 'bad-segment')
      for (const memory of [saved, other]) memory.dispose()
    }
    for (const model of [ours, plain]) model.dispose()
  })

  it('stops when it is cancelled, and goes on afterwards', async () => {
    const { random, ours } = await load(models['llama']!, places)
    const memory = memoryOf(ours)
    const tokens = someTokens(random, 400, 4)
    const abort = new AbortController()
    const request = { tokens, lengths: new Int32Array(), rows: new Int32Array(), trace: false }
    const reading = cancellable(loadAddon(), abort.signal, (cancel) =>
      memory.read(request, cancel, () => abort.abort()),
    )
    await rejects(reading, 'cancelled')
    const done = memory.info().tokens
    assert.ok(done > 0 && done < 400)
    await read(memory, tokens.subarray(done))
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
  agrees(() => ({ ...ownKernels(librariesFolder()), device: 'cuda' }), 1000)
})
