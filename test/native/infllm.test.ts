/**
 * InfLLM against its equations written down plainly (support/plain-infllm.ts), for models of random weights: what every token's
 * logits are and which units every layer looks up, for any parameters, lengths and cuts. And what must hold besides: a short text is
 * read as by full attention, disk and cache change nothing, a question leaves nothing behind.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type InfLlmParameters,
  type NativeModel,
} from '../../extension/engine/addon'
import { f32, str, u32, writeGguf } from '../support/gguf-writer'
import { largestDifference, run } from '../support/model'
import { readByUnits } from '../support/plain-infllm'
import type { PlainRope } from '../support/plain-model'
import { randomModel, type RandomModel, type RandomOptions } from '../support/random-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import {
  answerTo,
  memoryOf,
  question,
  readAll as read,
  readParts,
  restoreFrom,
  saveTo,
  smallParameters,
  someTokens,
  type TextPart,
} from '../support/units'

const paper: InfLlmParameters = { ...smallParameters, format: 'f32' }

const none: Int32Array = new Int32Array()

interface Subject {
  readonly random: RandomModel
  readonly model: NativeModel
}

async function load(options: RandomOptions): Promise<Subject> {
  const random = randomModel({ layers: 4, ...options, full: true })
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, writeGguf(random.gguf))
  const addon = loadAddon()
  const request = { path, weights: 'file', threads: 1, libraries: librariesFolder() } as const
  return { random, model: await cancellable(addon, undefined, (cancel) => addon.loadModel(request, cancel, () => 0)) }
}

const plainRope: PlainRope = { base: 10_000, scale: 1 }
const yarn = {
  'rope.scaling.type': str('yarn'),
  'rope.scaling.factor': f32(4),
  'rope.scaling.original_context_length': u32(512),
}
const slidingWindow = 24
const architectures: readonly (RandomOptions & { rope: PlainRope })[] = [
  { architecture: 'llama', with: /./, rope: plainRope },
  { architecture: 'qwen2', headSize: 16, rope: plainRope },
  { architecture: 'qwen3', rope: plainRope },
  { architecture: 'qwen3', metadata: yarn, rope: { base: 10_000, scale: 0.25, yarn: 512 } },
  {
    architecture: 'gemma3',
    metadata: { 'attention.sliding_window': u32(slidingWindow), 'rope.freq_base': f32(1e6) },
    layers: 6,
    rope: { base: 1e6, scale: 1 },
  },
]

/** Parts of a text that look up among some units alone, or some first. */
const somePart = fc.record({
  tokens: fc.integer({ min: 1, max: 90 }),
  before: fc.constantFrom(undefined, undefined, 0, 20, 60, 120),
  bounds: fc.uniqueArray(fc.integer({ min: 0, max: 150 }), { maxLength: 5 }),
})

/** Any parameters that fit together, a stream in one or more parts, and perhaps cuts. */
const situations = fc
  .record({
    nLocal: fc.integer({ min: 4, max: 40 }),
    blockSize: fc.integer({ min: 1, max: 12 }),
    topk: fc.integer({ min: 0, max: 5 }),
    nInit: fc.integer({ min: 0, max: 10 }),
    perhead: fc.boolean(),
    distance: fc.constantFrom(0, 0, 3, 50),
    places: fc.constantFrom('one', 'ordered'),
    length: fc.integer({ min: 1, max: 170 }),
    several: fc.array(somePart, { maxLength: 4 }),
    exc: fc.integer({ min: 1, max: 40 }),
    repr: fc.integer({ min: 1, max: 4 }),
    cut: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ exc, repr, cut, seed, length, several, ...s }) => {
    const parameters: InfLlmParameters = {
      ...s,
      excBlockSize: Math.min(exc, s.nLocal),
      reprTopk: Math.min(repr, s.blockSize),
      maxCachedBlock: Math.max(1, s.topk),
      format: 'f32',
      maxReprMegabytes: paper.maxReprMegabytes,
      folder: '',
    }
    const lengthsOf = (tokens: number) => {
      const lengths: number[] = []
      for (let left = tokens, i = seed; cut && left > 0; left -= lengths.at(-1)!)
        lengths.push(Math.min(left, 1 + ((i++ * 7) % s.blockSize)))
      return lengths
    }
    const parts = several.map(({ tokens, before, bounds }): TextPart => {
      const first = Int32Array.from(bounds.toSorted((a, b) => a - b).slice(0, bounds.length & ~1))
      return { tokens, lengths: lengthsOf(tokens), ...(before === undefined ? {} : { before }), first }
    })
    return { parameters, seed, parts: parts.length > 0 ? parts : [{ tokens: length, lengths: lengthsOf(length) }] }
  })

for (const { rope, ...options } of architectures) {
  const gemma = options.architecture === 'gemma3'
  const slides = (layer: number) => gemma && layer % 6 !== 5
  const name = rope.yarn === undefined ? options.architecture : `${options.architecture} with YaRN`

  describe(`InfLLM with ${name}`, function () {
    this.timeout(240_000)
    let subject: Subject
    before(async () => (subject = await load(options)))
    after(() => subject.model.dispose())

    it('gives the logits and looks up the units of the equations', () =>
      fc.assert(
        fc.asyncProperty(situations, async ({ parameters, parts, seed }) => {
          const { random, model } = subject
          const length = parts.reduce((sum, { tokens }) => sum + tokens, 0)
          const tokens = someTokens(random, length, seed)
          const should = readByUnits({
            model: random,
            tokens,
            parameters,
            parts,
            lengths: parts.flatMap(({ lengths }) => lengths),
            rope: (layer) => (slides(layer) ? plainRope : rope),
            sliding: (layer) => (slides(layer) ? slidingWindow : 0),
          })
          const memory = memoryOf(model, parameters)
          const is = await readParts(memory, tokens, parts)
          memory.dispose()
          const used = (blocks: readonly (readonly (readonly number[] | Int32Array)[])[][]) =>
            blocks.map((layers) =>
              layers.map((lists) => lists.map((list) => [...list]).filter((list) => list.length > 0)),
            )
          assert.deepEqual(used(is.trace.map((block) => [...block])), used(should.trace.map((block) => [...block])))
          const flat = should.logits.flatMap((row) => [...row])
          const largest = flat.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
          const worst = largestDifference(is.logits, flat)
          assert.ok(worst < 1e-3 * largest, `differs by ${worst} of ${largest}`)
        }),
        { numRuns: gemma ? 25 : 40, seed: 11 },
      ))
  })
}

describe('InfLLM', function () {
  this.timeout(120_000)
  let subject: Subject
  before(async () => (subject = await load({ architecture: 'llama' })))
  after(() => subject.model.dispose())

  it('reads a text that fits into the window as full attention does', async () => {
    const { random, model } = subject
    const tokens = someTokens(random, 30, 3)
    const rows = Int32Array.from(tokens.keys())
    const full = await run((cancel) => model.logits(tokens, rows, cancel))
    const { logits } = await read(memoryOf(model, paper), tokens)
    assert.ok(largestDifference(logits, full) < 0.01 * full.reduce((most, x) => Math.max(most, Math.abs(x)), 0))
  })

  it('reads a long stream, moving its window many times, as the equations say', async () => {
    const { random, model } = subject
    const tokens = someTokens(random, 2600, 8)
    const parameters = { ...paper, nLocal: 24, excBlockSize: 24 }
    const should = readByUnits({
      model: random,
      tokens,
      parameters,
      lengths: [],
      rope: () => plainRope,
      sliding: () => 0,
    })
    const { logits, trace } = await read(memoryOf(model, parameters), tokens)
    assert.deepEqual(
      trace.map((block) => block.map((lists) => lists.map((list) => [...list]))),
      should.trace.map((block) => block.map((lists) => lists.map((list) => [...list]))),
    )
    const flat = should.logits.flatMap((row) => [...row])
    assert.ok(largestDifference(logits, flat) < 1e-3 * flat.reduce((most, x) => Math.max(most, Math.abs(x)), 0))
  })

  it('gives the same whether units rest in memory or on disk, with the smallest cache, in every format', async () => {
    const { random, model } = subject
    const tokens = someTokens(random, 400, 5)
    for (const format of ['f32', 'f16', 'q8_0'] as const) {
      const inMemory = await read(memoryOf(model, { ...paper, format }), tokens)
      const onDisk = memoryOf(model, { ...paper, format, maxCachedBlock: paper.topk, folder: temporaryFolder() })
      const { logits } = await read(onDisk, tokens)
      assert.equal(largestDifference(logits, inMemory.logits), 0)
      assert.ok(onDisk.info().reads > 0)
    }
  })

  it('computes nearly the same with units in halves and in 8 bit', async () => {
    const { random, model } = subject
    const tokens = someTokens(random, 300, 6)
    // All units are used, so that rounding cannot choose others.
    const parameters = { ...paper, topk: 40, maxCachedBlock: 40 }
    const { logits } = await read(memoryOf(model, parameters), tokens)
    const largest = logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    for (const [format, bound] of [
      ['f16', 0.01],
      ['q8_0', 0.05],
    ] as const) {
      const rounded = await read(memoryOf(model, { ...parameters, format }), tokens)
      const worst = largestDifference(rounded.logits, logits)
      assert.ok(worst > 0 && worst < bound * largest, `${format}: ${worst} of ${largest}`)
    }
  })

  it('keeps no more units in memory than max_cached_block says, and no file', async () => {
    const { random, model } = subject
    const folder = temporaryFolder()
    const memory = memoryOf(model, { ...paper, folder })
    const most = async (length: number) => {
      await read(memory, someTokens(random, length, 7))
      return memory.info()
    }
    const short = await most(600)
    const long = await most(2400)
    assert.ok(long.diskBytes > 3 * short.diskBytes)
    assert.equal(long.unitBytes, short.unitBytes)
    assert.equal(
      long.unitBytes,
      random.layers * paper.maxCachedBlock * paper.blockSize * 2 * random.keyHeads * random.headSize * 4,
    )
    assert.deepEqual(readdirSync(folder), [])
  })

  it('says where its units start', async () => {
    const { random, model } = subject
    const memory = memoryOf(model, paper)
    const tokens = someTokens(random, 100, 2)
    await read(memory, tokens, Int32Array.from([5, 6, 20, 1, 60, 8]))
    // The first 8 tokens are sinks; 20 are cut into 7, 7 and 6, 60 into 8 pieces.
    assert.deepEqual([...memory.unitStarts()].slice(0, 7), [8, 11, 18, 25, 31, 32, 40])
    assert.equal(memory.info().units, memory.unitStarts().length - 1)
  })

  it('answers as it would have gone on reading, and forgets the question', async () => {
    const { random, model } = subject
    const [tokens, asked] = [someTokens(random, 300, 4), someTokens(random, 20, 9)]
    const memory = memoryOf(model, paper)
    await read(memory, tokens)
    const before = memory.info()
    const first = await answerTo(memory, question(asked, 6))
    const again = await answerTo(memory, question(asked, 6))
    assert.deepEqual(again, first)
    assert.deepEqual({ ...memory.info(), reads: 0, bytes: 0 }, { ...before, reads: 0, bytes: 0 })
    // Token by token what a memory gives that reads question and answer.
    const reading = memoryOf(model, paper)
    await read(reading, tokens)
    const vocabulary = random.vocab
    let next: Float32Array = (await read(reading, asked)).logits.slice(-vocabulary)
    for (const token of first.made) {
      assert.equal(next.indexOf(Math.max(...next)), token)
      next = (await read(reading, Int32Array.of(token))).logits
    }
    // And what is read afterwards is what it would have been without any question, but for rounding: slots have moved.
    const [more, fresh] = [someTokens(random, 60, 12), memoryOf(model, paper)]
    await read(fresh, tokens)
    const [is, should] = [await read(memory, more), await read(fresh, more)]
    assert.deepEqual(is.trace, should.trace)
    const largest = should.logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    assert.ok(largestDifference(is.logits, should.logits) < 1e-4 * largest)
  })

  it('uses the units it is given, keeps those of the question, and reads a question twice', async () => {
    const { random, model } = subject
    const memory = memoryOf(model, paper)
    await read(memory, someTokens(random, 300, 4))
    const asked = question(someTokens(random, 12, 9), 6)
    const given = await answerTo(memory, { ...asked, units: Int32Array.of(2, 9) })
    for (const lists of given.units) assert.deepEqual([...lists[0]!], [2, 9])
    const [each, once, twice] = [
      await answerTo(memory, asked),
      await answerTo(memory, { ...asked, lookUps: 'once' }),
      await answerTo(memory, { ...asked, lookUps: 'once', twice: true }),
    ]
    assert.deepEqual(once.units, each.units)
    assert.deepEqual(twice.units, each.units)
    assert.notDeepEqual(given.made, once.made)
  })

  it('is kept in two files, from which another memory goes on alike', async () => {
    const { random, model } = subject
    for (const [format, cut] of [
      ['f32', false],
      ['f16', true],
      ['q8_0', false],
    ] as const) {
      const [folder, path] = [temporaryFolder(), join(temporaryFolder(), 'kept')]
      const parameters = { ...paper, format, folder }
      const tokens = someTokens(random, 700, 4)
      const first = memoryOf(model, parameters)
      await read(first, tokens, cut ? Int32Array.from({ length: 100 }, () => 7) : none)
      await saveTo(first, path, 'weights')
      const second = memoryOf(model, parameters)
      await restoreFrom(second, path, 'weights')
      const { tokens: length, units, diskBytes, gpu, gpuBytes } = first.info()
      assert.deepEqual(
        { ...second.info(), ...{ reads: 0, bytes: 0, unitBytes: 0 } },
        { ...{ tokens: length, units, diskBytes, gpu, gpuBytes }, ...{ reads: 0, bytes: 0, unitBytes: 0 } },
      )
      assert.deepEqual(second.unitStarts(), first.unitStarts())
      // Longer than the window: what is read now becomes units, too, beside those that were kept.
      const asked = question(someTokens(random, 90, 9), 6)
      const before = readFileSync(`${path}.units`)
      assert.deepEqual(await answerTo(second, asked), await answerTo(first, asked))
      assert.deepEqual(readFileSync(`${path}.units`), before)
      const [is, should] = [await read(second, asked.tokens), await read(first, asked.tokens)]
      assert.deepEqual(is.trace, should.trace)
      assert.ok(second.info().units > first.unitStarts().length - 12)
      assert.ok(largestDifference(is.logits, should.logits) < 0.02)
    }
  })

  it('is kept part by part, and goes on from any of them as if what came after had not been', async () => {
    const { random, model } = subject
    const [folder, keptIn] = [temporaryFolder(), temporaryFolder()]
    const parameters = { ...paper, folder }
    const tokens = someTokens(random, 700, 4)
    const pieces = [tokens.subarray(0, 200), tokens.subarray(200, 207), tokens.subarray(207, 500), tokens.subarray(500)]
    const paths = pieces.map((_, i) => join(keptIn, `part${i}`))
    const lengthsOf = (piece: Int32Array) => Int32Array.from({ length: Math.ceil(piece.length / 7) }, (_, i) => Math.min(7, piece.length - 7 * i)) // prettier-ignore
    const asked = question(someTokens(random, 90, 9), 6)
    const kept = memoryOf(model, parameters)
    const answers = []
    for (const [i, piece] of pieces.entries()) {
      await read(kept, piece, lengthsOf(piece))
      // A question becomes units, which are forgotten.
      await answerTo(kept, asked)
      await saveTo(kept, paths[i]!, 'weights')
      answers.push(await answerTo(kept, asked))
    }
    // Units are in one part each, which those after it do not hold again.
    const sizes = paths.map((path) => statSync(`${path}.units`).size)
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      kept.info().diskBytes,
    )
    assert.ok(sizes.every((size, i) => size > 0 || i === 1))
    for (const [i] of pieces.entries()) {
      const other = memoryOf(model, parameters)
      await restoreFrom(other, paths.slice(0, i + 1), 'weights')
      assert.deepEqual(await answerTo(other, asked), answers[i])
      // Gone on with, kept again elsewhere, and taken from there.
      const again = paths.map((path) => `${path}-${i}`)
      for (const [j, piece] of pieces.entries())
        if (j > i) {
          await read(other, piece, lengthsOf(piece))
          await saveTo(other, again[j]!, 'weights')
        }
      const third = memoryOf(model, parameters)
      await restoreFrom(third, [...paths.slice(0, i + 1), ...again.slice(i + 1)], 'weights')
      assert.deepEqual(third.unitStarts(), kept.unitStarts())
      assert.deepEqual(await answerTo(third, asked), answers.at(-1))
      for (const memory of [other, third]) memory.dispose()
    }
    for (const wrong of [paths.slice(1), [paths[0]!, paths[2]!], [paths[0]!, paths[0]!]])
      await rejects(restoreFrom(memoryOf(model, parameters), wrong, 'weights'), 'bad-segment')
    await rejects(restoreFrom(memoryOf(model, parameters), [], 'weights'), 'usage')
    kept.dispose()
  })

  it('keeps and takes nothing once it is cancelled, and tells how far it is', async () => {
    const { random, model } = subject
    const parameters = { ...paper, folder: temporaryFolder() }
    const path = join(temporaryFolder(), 'kept')
    const memory = memoryOf(model, parameters)
    await read(memory, someTokens(random, 300, 4))
    const cancelled = <T>(call: Parameters<typeof cancellable<T>>[2]) =>
      rejects(cancellable(loadAddon(), AbortSignal.abort(), call), 'cancelled')
    await cancelled((cancel) => memory.save(path, 'weights', cancel, () => undefined))
    assert.ok(!existsSync(`${path}.stream`) && !existsSync(`${path}.units`))
    const told: number[][] = []
    await run((cancel) => memory.save(path, 'weights', cancel, (...bytes) => told.push(bytes)))
    assert.deepEqual(told, [[memory.info().diskBytes, memory.info().diskBytes]])
    await cancelled((cancel) => memoryOf(model, parameters).restore([path], 'weights', cancel, () => undefined))
    await run((cancel) =>
      memoryOf(model, parameters).restore([path], 'weights', cancel, (...bytes) => told.push(bytes)),
    )
    const [done, total] = told.at(-1)!
    assert.ok(told.length > 1 && done! > 0 && done! <= total!)
  })

  it('takes nothing that is missing, damaged, or of another model or setting', async () => {
    const { random, model } = subject
    const [folder, path] = [temporaryFolder(), join(temporaryFolder(), 'kept')]
    const parameters = { ...paper, folder }
    const first = memoryOf(model, parameters)
    await read(first, someTokens(random, 300, 4))
    await rejects(restoreFrom(memoryOf(model, parameters), path, 'weights'), 'no-segment')
    await saveTo(first, path, 'weights')
    const restored = async (more: Partial<InfLlmParameters> = {}, identity = 'weights') => {
      const memory = memoryOf(model, { ...parameters, ...more })
      await restoreFrom(memory, path, identity)
      return memory
    }
    await restored()
    await rejects(restored({}, 'other weights'), 'bad-segment')
    await rejects(restored({ topk: 2 }), 'bad-segment')
    const stream = readFileSync(`${path}.stream`)
    for (const at of [0, 9, 13, 30, stream.length >> 1, stream.length - 1]) {
      const damaged = Buffer.from(stream)
      damaged[at]! ^= 4
      writeFileSync(`${path}.stream`, damaged)
      await rejects(restored(), 'bad-segment')
    }
    for (const length of [0, 10, 40, stream.length - 1]) {
      writeFileSync(`${path}.stream`, stream.subarray(0, length))
      await rejects(restored(), 'bad-segment')
    }
    writeFileSync(`${path}.stream`, stream)
    const units = readFileSync(`${path}.units`)
    writeFileSync(`${path}.units`, units.subarray(1))
    await rejects(restored(), 'bad-segment')
    // Units are checked when they are used.
    writeFileSync(`${path}.units`, Buffer.alloc(units.length, 7))
    const memory = await restored()
    await rejects(answerTo(memory, question(someTokens(random, 5, 1), 6)), 'bad-segment')
    writeFileSync(`${path}.units`, units)
    assert.ok((await answerTo(await restored(), question(someTokens(random, 5, 1), 6))).made.length > 0)
    rmSync(`${path}.units`)
    await rejects(restored(), 'no-segment')
  })

  it('lets its layers agree on the units that most of them look up', async () => {
    const { random, model } = subject
    const memory = memoryOf(model, paper)
    await read(memory, someTokens(random, 300, 4))
    const asked = question(someTokens(random, 12, 9), 6)
    const votes = new Map<number, number>()
    for (const lists of (await answerTo(memory, asked)).units)
      for (const unit of lists[0]!) votes.set(unit, (votes.get(unit) ?? 0) + 1)
    const best = [...votes.keys()].sort((a, b) => votes.get(b)! - votes.get(a)! || a - b).slice(0, 2)
    const agreed = await answerTo(memory, { ...asked, agree: 2 })
    for (const lists of agreed.units)
      assert.deepEqual(
        [...lists[0]!],
        best.sort((a, b) => a - b),
      )
    const given = await answerTo(memory, { ...asked, units: Int32Array.from(best) })
    assert.deepEqual(agreed, given)
  })

  it('stops when it is cancelled, and goes on afterwards', async () => {
    const { random, model } = subject
    const memory = memoryOf(model, paper)
    const addon = loadAddon()
    const tokens = someTokens(random, 400, 4)
    const abort = new AbortController()
    const request = { tokens, lengths: none, rows: none, trace: false }
    const reading = cancellable(addon, abort.signal, (cancel) => memory.read(request, cancel, () => abort.abort()))
    await rejects(reading, 'cancelled')
    const read = memory.info().tokens
    assert.ok(read > 0 && read < 400)
    await run((cancel) => memory.read({ ...request, tokens: tokens.subarray(read) }, cancel, () => 0))
    assert.equal(memory.info().tokens, 400)
  })

  it('tells of itself while it reads, without waiting', async () => {
    const { random, model } = subject
    const memory = memoryOf(model, paper)
    const tokens = someTokens(random, 1600, 4)
    const told: number[] = []
    const request = { tokens, lengths: none, rows: none, trace: false }
    await run((cancel) =>
      memory.read(request, cancel, () => told.push(memory.info().tokens, memory.unitStarts().length)),
    )
    // As it was before, not as it is after all.
    assert.deepEqual(told.slice(0, 2), [0, 1])
    assert.equal(memory.info().tokens, tokens.length)
  })

  it('says what does not fit', async () => {
    const { random, model } = subject
    const refuses = (parameters: Partial<InfLlmParameters>, what: RegExp) =>
      assert.throws(() => memoryOf(model, { ...paper, ...parameters }), what)
    refuses({ excBlockSize: 33 }, /exc_block_size must be from 1 to 32, not 33/)
    refuses({ maxCachedBlock: 2 }, /max_cached_block must be from 3/)
    refuses({ reprTopk: 9 }, /repr_topk must be from 1 to 8/)
    refuses({ maxReprMegabytes: 2 ** 20 + 1 }, /max_repr_megabytes must be from 0 to 1048576, not 1048577/)
    refuses({ nLocal: 4096 }, /would reach 4096 tokens back; the model was trained for 2048/)
    refuses({ places: 'ordered', topk: 250, maxCachedBlock: 250 }, /would reach 2064 tokens back/)
    refuses({ folder: '/nowhere/at/all' }, /cannot be kept in \/nowhere\/at\/all/)
    const memory = memoryOf(model, paper)
    const bad = (tokens: Int32Array, lengths: Int32Array, code: 'usage' | 'internal') =>
      rejects(read(memory, tokens, lengths), code)
    await bad(Int32Array.of(random.vocab), none, 'internal')
    await bad(Int32Array.of(1, 2), Int32Array.of(3), 'usage')
    await rejects(answerTo(memory, question(none, 6)), 'usage')
    await rejects(answerTo(memory, { ...question(Int32Array.of(1), 6), units: Int32Array.of(7) }), 'usage')
  })

  it('fails with an error, and loses nothing, when its disk does', async () => {
    const { random, model } = subject
    const folder = join(temporaryFolder(), 'units')
    mkdirSync(folder)
    const memory = memoryOf(model, { ...paper, folder })
    rmSync(folder, { recursive: true })
    // Unlinked files live on: a folder that is gone does no harm.
    await read(memory, someTokens(random, 400, 4))
    assert.equal(memory.info().tokens, 400)
  })
})
