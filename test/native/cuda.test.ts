/** The engine on a GPU against the same engine on the processor, within stated bounds. Skipped where there is no GPU. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Head, NativeModel } from '../../extension/engine/addon'
import { loadAddon } from '../../extension/engine/addon'
import { u32, writeGguf } from '../support/gguf-writer'
import { loadOn, needsCuda } from '../support/cuda'
import { best, modelPath, run, sampleTokens, spansOf, testHeads, threads } from '../support/model'
import { gaussian, randomModel, type RandomOptions } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

/** Heads of 64, which flash attention has kernels for; of 32, which it leaves to the processor. */
const tiny: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama', headSize: 64, embedding: 256 },
  'llama with small heads': { architecture: 'llama', headSize: 32 },
  qwen2: { architecture: 'qwen2', headSize: 64, embedding: 256 },
  qwen3: { architecture: 'qwen3', headSize: 64, embedding: 256 },
  gemma3: { architecture: 'gemma3', headSize: 64, embedding: 256, metadata: { 'attention.sliding_window': u32(24) } },
}

const loaded: NativeModel[] = []
const load = async (...of: Parameters<typeof loadOn>): Promise<NativeModel> => {
  const model = await loadOn(...of)
  loaded.push(model)
  return model
}
const disposeAll = (): void => {
  for (const model of loaded.splice(0)) model.dispose()
}

const unwatched = { watch: new Uint32Array(), watchHeads: [] }

/** The length of the difference as a share of the length of what it should be. */
function share(is: Float32Array, should: Float32Array): number {
  assert.equal(is.length, should.length)
  let [difference, length] = [0, 0]
  for (let i = 0; i < is.length; ++i) {
    difference += (is[i]! - should[i]!) ** 2
    length += should[i]! ** 2
  }
  return Math.sqrt(difference / length)
}

/**
 * Of lists of so many units' masses: by how much a unit is better than one that is before it here, in standard deviations of the
 * difference of two units of that list.
 */
function furthestBehind(is: Float32Array, should: Float32Array, units: number): number {
  let most = 0
  for (let at = 0; at < should.length; at += units) {
    const [here, there] = [is.subarray(at, at + units), should.subarray(at, at + units)]
    const apart = here.map((x, i) => x - there[i]!)
    const mean = apart.reduce((sum, x) => sum + x, 0) / units
    const noise = Math.sqrt((2 * apart.reduce((sum, x) => sum + (x - mean) ** 2, 0)) / units)
    let least = Infinity
    for (const unit of [...here.keys()].sort((a, b) => here[b]! - here[a]!)) {
      most = Math.max(most, (there[unit]! - least) / noise)
      least = Math.min(least, there[unit]!)
    }
  }
  return most
}

async function greedy(model: NativeModel, tokens: Int32Array, maxTokens: number): Promise<number[]> {
  const made: number[] = []
  const request = { tokens, temperature: 0, topP: 1, seed: 0, maxTokens, ...unwatched }
  await run((cancel) => model.generate(request, cancel, (_, token) => token && made.push(token.token)))
  return made
}

async function masses(
  model: NativeModel,
  tokens: Int32Array,
  heads: readonly Head[],
  queries: Float32Array,
  rows: number,
) {
  const store = new (loadAddon().Store)(model, heads, 'f16')
  const units = spansOf(Array.from({ length: Math.floor(tokens.length / 20) + 1 }, (_, i) => i * 20))
  const request = { tokens, units, heads, window: 96, sinks: 4, keyFormat: 'f16' } as const
  store.put('episode', await run((cancel) => model.read(request, cancel, () => undefined)))
  return (await run((cancel) => store.score(['episode'], queries, rows, threads, cancel))).masses
}

for (const [name, options] of Object.entries(tiny))
  describe(`a ${name} model on a GPU`, function () {
    before(needsCuda)
    const random = randomModel(options)
    const normal = gaussian(11)
    const tokens = Int32Array.from({ length: 1037 }, () => Math.floor(Math.abs(normal()) * 1e6) % random.vocab)
    const rows = Int32Array.from(tokens.keys())
    let onCpu: NativeModel
    const path = join(temporaryFolder(), 'model.gguf')

    before(async function () {
      this.timeout(120_000)
      writeFileSync(path, writeGguf(random.gguf))
      onCpu = await load('cpu', path)
    })
    after(() => disposeAll())

    // Weights are Q8_0, F32 and F16 in turn. Both sides round activations to 8 bits before they multiply them by Q8_0, each in its own
    // way; the bound is that of fast weights in architectures.test.ts, where nothing but such rounding differs. Seen on one H100: up to
    // 2.0 % for qwen2, qwen3 and gemma3, more than that for llama. What is wrong rather than rounded differs by the whole.
    for (const [what, gpuLayers] of [['whole', 100], ['three layers of it', 3], ['none of its layers', 0]] as const) // prettier-ignore
      it(`has the logits of the processor within 8 %, ${what} there`, async () => {
        const model = await loadOn('cuda', path, { gpuLayers })
        const { device } = model.info()
        assert.deepEqual(
          [device.kind, device.layers, device.whole],
          ['cuda', Math.min(gpuLayers, 8), gpuLayers === 100],
        )
        const shares: number[] = []
        // From 1,024 tokens on, ggml's attention looks at the mask by whole tiles; 1,037 end within one.
        for (const count of [1, 5, 300, 900, 1037]) {
          const some = tokens.subarray(0, count)
          const [is, should] = await Promise.all([model, onCpu].map((m) => run((cancel) => m.logits(some, rows.subarray(0, count), cancel)))) // prettier-ignore
          shares.push(share(is!, should!))
        }
        console.log(
          `        differs by ${shares.map((one) => one.toFixed(4)).join(' ')} for 1, 5, 300, 900, 1,037 tokens`,
        )
        assert.ok(Math.max(...shares) < 0.08)
        model.dispose()
      })

    it('gives the keys of an episode that slides, and the queries of a question, within 2 %', async () => {
      const model = await loadOn('cuda', path)
      const heads = [
        { layer: 2, head: 0 },
        { layer: 5, head: 3 },
      ]
      const asked = tokens.subarray(0, 40)
      const [is, should] = await Promise.all([model, onCpu].map((m) => run((cancel) => m.queries(asked, 10, heads, 256, cancel)))) // prettier-ignore
      assert.ok(share(is!, should!) < 0.02)
      const found = await masses(model, tokens, heads, should!, 30)
      assert.ok(share(found, await masses(onCpu, tokens, heads, should!, 30)) < 0.02)
      model.dispose()
    })
  })

describe('the default model on a GPU', function () {
  before(needsCuda)
  this.timeout(300_000)
  let path: string
  let onCpu: NativeModel
  let onGpu: NativeModel

  before(async () => {
    path = await modelPath()
    onCpu = await load('cpu', path, { threads: 0 })
    onGpu = await load('cuda', path, { weights: 'fast' })
  })
  after(() => disposeAll())

  // Both multiply 8-bit activations, rounded in blocks of their own, so that each has its own noise.
  it('has logits within 5 % of the processor, and the same likeliest token but where its lead is within their noise', async () => {
    const tokens = sampleTokens(onCpu, 600)
    const rows = Int32Array.from(tokens.keys())
    const [is, should] = [await run((c) => onGpu.logits(tokens, rows, c)), await run((c) => onCpu.logits(tokens, rows, c))] // prettier-ignore
    const differs = share(is, should)
    const [theirs, ours] = [best(is, rows.length), best(should, rows.length)]
    const count = should.length / rows.length
    // How far a token that is likeliest there is behind here, in standard deviations of the difference of two logits of its place.
    const leads = [...rows]
      .filter((row) => theirs[row] !== ours[row])
      .map((row) => {
        const at = row * count
        const apart = is.subarray(at, at + count).map((x, i) => x - should[at + i]!)
        const mean = apart.reduce((sum, x) => sum + x, 0) / count
        const noise = Math.sqrt(apart.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count)
        return (should[at + ours[row]!]! - should[at + theirs[row]!]!) / (Math.SQRT2 * noise)
      })
    console.log(`      differs by ${differs.toFixed(4)}, another likeliest token at ${leads.length} of ${rows.length}, behind by at most ${Math.max(0, ...leads).toFixed(2)} deviations`) // prettier-ignore
    assert.ok(differs < 0.05, `differs by ${differs}`)
    assert.ok(
      leads.every((lead) => lead < 4),
      `behind by ${leads.join(', ')}`,
    )
    assert.ok(leads.length < 0.1 * rows.length)
  })

  it('goes on as the processor does, token by token, for the first words', async () => {
    const tokens = onCpu.tokenize(onCpu.chat([{ role: 'user', content: 'What is the capital of France?' }]), true)
    const [is, should] = [await greedy(onGpu, tokens, 12), await greedy(onCpu, tokens, 12)]
    assert.deepEqual(is.slice(0, 8), should.slice(0, 8))
  })

  // Batches of 2,048 tokens, then one of 1,024 and more that fills no tile of the kernel which goes over its mask: without rows for
  // all of the tile, 2,038 rows of 4,096 slots and 2,035 of 8,192 end the process (32 KB past the last mapped page).
  for (const count of [4086, 8179])
    it(`reads ${count} tokens and goes on`, async () => {
      assert.equal((await greedy(onGpu, sampleTokens(onCpu, count), 3)).length, 3)
    })

  it('ranks units as the processor does, with its keys or with the processor’s, but for near ties', async () => {
    const tokens = sampleTokens(onCpu, 2000)
    const question = onCpu.tokenize('Where are retries counted?', false)
    const queries = await run((c) => onCpu.queries(question, 0, testHeads, 256, c))
    const theirs = await run((c) => onGpu.queries(question, 0, testHeads, 256, c))
    const should = await masses(onCpu, tokens, testHeads, queries, question.length)
    for (const [keys, asked] of [
      [onGpu, theirs],
      [onCpu, theirs],
      [onGpu, queries],
    ] as const) {
      // prettier-ignore
      const is = await masses(keys, tokens, testHeads, asked, question.length)
      const [differs, behind] = [
        share(is, should),
        furthestBehind(is, should, should.length / testHeads.length / question.length),
      ]
      console.log(
        `      differs by ${differs.toFixed(4)}, units before a better one by at most ${behind.toFixed(2)} deviations`,
      )
      assert.ok(differs < 0.05, `differs by ${differs}`)
      assert.ok(behind < 8, `a unit is before one that is better by ${behind} deviations`)
    }
  })

  it('ends within a batch when it is cancelled', async () => {
    const addon = loadAddon()
    const cancel = new addon.Cancel()
    const tokens = sampleTokens(onCpu, 8000)
    const call = onGpu.logits(tokens, Int32Array.of(7999), cancel)
    cancel.cancel()
    await assert.rejects(call, { code: 'cancelled' })
  })
})
