/** Generation with the real model: what decides it, what stops it, and where it looked. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { cancellable, loadAddon, type GenerateOptions } from '../../extension/engine/addon'
import { rejects } from '../support/rejects'
import { sampleTokens, testHeads, testModel } from '../support/model'

interface Generated {
  readonly tokens: readonly number[]
  readonly text: string
  readonly attention: readonly Float32Array[]
  readonly prefilled: readonly number[]
  readonly end: 'stop' | 'length'
}

async function prompt(question: string): Promise<Int32Array> {
  const model = await testModel()
  return model.tokenize(model.chat([{ role: 'user', content: question }]), true)
}

async function generate(options: Partial<GenerateOptions>, signal?: AbortSignal): Promise<Generated> {
  const model = await testModel()
  const whole: GenerateOptions = {
    tokens: await prompt('Write a long story about a lighthouse.'),
    temperature: 0,
    topP: 1,
    seed: 1,
    maxTokens: 16,
    watch: new Uint32Array(),
    watchHeads: [],
    ...options,
  }
  const tokens: number[] = []
  const pieces: Uint8Array[] = []
  const attention: Float32Array[] = []
  const prefilled: number[] = []
  const end = await cancellable(loadAddon(), signal, (cancel) =>
    model.generate(whole, cancel, (read, token) => {
      if (read !== undefined) prefilled.push(read)
      if (!token) return
      tokens.push(token.token)
      pieces.push(token.piece)
      attention.push(token.attention)
    }),
  )
  return { tokens, text: Buffer.concat(pieces).toString('utf8'), attention, prefilled, end }
}

describe('generation', () => {
  it('without temperature is the same every time, whatever the seed', async () => {
    const first = await generate({ seed: 1 })
    assert.deepEqual((await generate({ seed: 2 })).tokens, first.tokens)
    assert.equal(first.tokens.length, 16)
    assert.equal(first.end, 'length')
    assert.match(first.text, /\w{3}/)
  })

  it('without temperature takes the most likely token', async () => {
    const model = await testModel()
    const tokens = await prompt('What is the capital of France?')
    const { tokens: made } = await generate({ tokens, maxTokens: 1 })
    const logits = await cancellable(loadAddon(), undefined, (cancel) =>
      model.logits(tokens, Int32Array.of(tokens.length - 1), cancel),
    )
    assert.equal(made[0], logits.indexOf(logits.reduce((most, value) => Math.max(most, value))))
  })

  it('with temperature is told by the seed alone', async () => {
    const warm = { temperature: 1.5, maxTokens: 12 }
    const first = await generate({ ...warm, seed: 11 })
    assert.deepEqual((await generate({ ...warm, seed: 11 })).tokens, first.tokens)
    assert.notDeepEqual((await generate({ ...warm, seed: 12 })).tokens, first.tokens)
  })

  it('ends by itself when the answer is whole', async () => {
    const { end, text } = await generate({ tokens: await prompt('Say only: yes'), maxTokens: 64 })
    assert.equal(end, 'stop')
    assert.doesNotMatch(text, /<\|im_end\|>/)
  })

  it('counts the prompt up to its length while it reads', async () => {
    const tokens = sampleTokens(await testModel(), 40)
    assert.equal((await generate({ tokens, maxTokens: 1 })).prefilled.at(-1), 40)
  })

  it('is cancelled at any moment, and the model goes on working', async () => {
    const expected = (await generate({ maxTokens: 6 })).tokens
    const tokens = sampleTokens(await testModel(), 200)
    for (const wait of [0, 3, 17, 60, 140, 320, 700, 1500]) {
      const abort = new AbortController()
      const stopped = rejects(generate({ tokens, maxTokens: 2000, temperature: 1 }, abort.signal), 'cancelled')
      await delay(wait)
      const started = performance.now()
      abort.abort()
      await stopped
      assert.ok(performance.now() - started < 2000, 'stops soon')
    }
    assert.deepEqual((await generate({ maxTokens: 6 })).tokens, expected)
  })
})

describe('the attention of a generated token', () => {
  it('is shared among the spans that are watched, and no head gives more than all of it', async () => {
    const tokens = sampleTokens(await testModel(), 90)
    const watch = Uint32Array.of(0, 30, 30, 31, 31, 90)
    const { attention, tokens: made } = await generate({ tokens, watch, watchHeads: testHeads, maxTokens: 8 })
    assert.ok(made.length > 0)
    attention.forEach((shares, at) => {
      assert.equal(shares.length, testHeads.length * 3)
      for (let head = 0; head < testHeads.length; head++) {
        const spans = shares.subarray(head * 3, head * 3 + 3)
        assert.ok(spans.every((share) => share >= 0))
        const sum = spans.reduce((total, share) => total + share, 0)
        assert.ok(sum <= 1 + 1e-3, `${sum} is more than all`)
        // The first token is told by the prompt alone, and all of the prompt is watched.
        if (at === 0) assert.ok(sum > 1 - 1e-3, `${sum} is not all of the prompt`)
      }
    })
  })
})
