/** Attention masses and bank statistics of the native scoring loop against the same computed plainly here. */
import assert from 'node:assert/strict'
import {
  largestDifference,
  queriesOf,
  readEpisode,
  sampleTokens,
  scoresOf,
  spansOf,
  testHeads,
  testModel,
  type KeyFormat,
} from '../support/model'

const length = 130
const size = 64
const heads = testHeads.length

/** Every token a unit of its own. */
const single = Array.from({ length: length + 1 }, (_, i) => i)
/** Of one token, of a few, over several groups of 16 keys, on their edges and off them, and the rest. */
const mixed = [0, 1, 3, 15, 16, 17, 32, 49, 97, 113, length]

let tokens: Int32Array
let asked: { queries: Float32Array; tokens: number }
/** Keys as the store holds them: [head][dimension][token]. */
const keys = new Map<KeyFormat, Float32Array>()

async function masses(bounds: readonly number[], keyFormat: KeyFormat): Promise<Float32Array> {
  const episode = await readEpisode({ tokens, units: spansOf(bounds), keyFormat })
  const scores = await scoresOf(episode, keyFormat, asked.queries, asked.tokens)
  return scores.masses
}

/** Queries that are one in one dimension and zero in all others: their mass of a unit of one token is that number of its key. */
async function readKeys(keyFormat: KeyFormat): Promise<Float32Array> {
  const basis = Float32Array.from({ length: heads * size * size }, (_, i) =>
    Math.floor(i / size) % size === i % size ? 1 : 0,
  )
  const episode = await readEpisode({ tokens, units: spansOf(single), keyFormat })
  return (await scoresOf(episode, keyFormat, basis, size)).masses
}

/** [head][query][unit], each the logarithm of the sum of exp(q·k) over the keys of the unit. */
function plainly(keyFormat: KeyFormat, spans: Uint32Array, first = 0): Float64Array {
  const held = keys.get(keyFormat)!
  const units = spans.length / 2
  return Float64Array.from({ length: heads * asked.tokens * units }, (_, i) => {
    const unit = i % units
    const row = Math.floor(i / units)
    const head = Math.floor(row / asked.tokens)
    let sum = 0
    for (let token = spans[unit * 2]! - first; token < spans[unit * 2 + 1]! - first; token++) {
      let product = 0
      for (let d = 0; d < size; d++)
        product += asked.queries[row * size + d]! * held[(head * size + d) * length + token]!
      sum += Math.exp(product)
    }
    return Math.log(sum)
  })
}

describe('what the store scores', () => {
  before(async () => {
    const model = await testModel()
    assert.equal(model.info().headSize, size)
    tokens = sampleTokens(model, length)
    asked = await queriesOf('Where is the longest wait before a retry?')
    for (const format of ['f16', 'q8'] as const) keys.set(format, await readKeys(format))
  })

  describe('the mass of a unit', () => {
    for (const format of ['f16', 'q8'] as const) {
      it(`of one token is query · key, with ${format} keys`, async () => {
        const found = await masses(single, format)
        assert.ok(largestDifference(found, plainly(format, spansOf(single))) < 1e-3)
      })

      it(`is the log-sum-exp over its keys wherever it starts and ends, with ${format} keys`, async () => {
        const found = await masses(mixed, format)
        assert.ok(largestDifference(found, plainly(format, spansOf(mixed))) < 1e-3)
      })
    }

    it('does not count tokens between units', async () => {
      const spans = Uint32Array.of(5, 20, 21, 22, 40, 99)
      const episode = await readEpisode({ tokens, units: spans })
      assert.equal(episode.tokens, 75)
      assert.equal(episode.units, 3)
      const found = await scoresOf(episode, 'f16', asked.queries, asked.tokens)
      assert.ok(largestDifference(found.masses, plainly('f16', spans)) < 1e-3)
    })

    it('of no tokens is minus infinity, and its neighbours are as without it', async () => {
      const episode = await readEpisode({ tokens, units: Uint32Array.of(0, 10, 10, 10, 10, 30) })
      const { masses: found } = await scoresOf(episode, 'f16', asked.queries, asked.tokens)
      const others = plainly('f16', Uint32Array.of(0, 10, 10, 30))
      assert.ok(found.every((mass, i) => (mass === -Infinity) === (i % 3 === 1)))
      const left = found.filter((_, i) => i % 3 !== 1)
      assert.ok(largestDifference(left, others) < 1e-3)
    })

    it('is nearly the same with keys of 8 bits', async () => {
      const difference = largestDifference(await masses(mixed, 'q8'), await masses(mixed, 'f16'))
      assert.ok(difference > 0 && difference < 0.1, `differs by ${difference}`)
    })
  })

  describe('keys', () => {
    it('are shared by query heads of one group, and by no others', () => {
      const held = keys.get('f16')!
      const of = (head: number) => held.subarray(head * size * length, (head + 1) * size * length)
      assert.equal(largestDifference(of(0), of(1)), 0)
      assert.ok(largestDifference(of(0), of(2)) > 0.1)
    })

    it('take half the bytes with 8 bits, and one scale more', async () => {
      const bytes = async (keyFormat: KeyFormat) =>
        (await readEpisode({ tokens: tokens.subarray(0, 32), units: Uint32Array.of(0, 32), keyFormat })).bytes
      const keyHeads = 2
      assert.equal((await bytes('f16')) - (await bytes('q8')), keyHeads * 32 * (size - 4))
    })
  })

  describe('bank statistics', () => {
    it('are mean and deviation, over the reference questions, of the mean mass of their tokens', async () => {
      const questions = ['Where are routes matched?', 'How are jobs stored on disk?', 'Who is signed in?']
      const heard: { queries: Float32Array; tokens: number }[] = []
      for (const question of questions) heard.push(await queriesOf(question))
      const counts = Uint32Array.from(heard, (question) => question.tokens)
      const parts = testHeads.flatMap((_, head) =>
        heard.map(({ queries, tokens: n }) => queries.subarray(head * n * size, (head + 1) * n * size)),
      )
      const bank = { queries: Float32Array.from(parts.flatMap((part) => Array.from(part))), tokens: counts }
      const episode = await readEpisode({ tokens, units: spansOf(mixed), bank })
      const { bankMean, bankDeviation } = await scoresOf(episode, 'f16', asked.queries, asked.tokens)

      const units = mixed.length - 1
      const means: number[] = []
      const deviations: number[] = []
      const scored = []
      for (const { queries, tokens: n } of heard) scored.push((await scoresOf(episode, 'f16', queries, n)).masses)
      for (let head = 0; head < heads; head++)
        for (let unit = 0; unit < units; unit++) {
          const each = scored.map((found, question) => {
            const n = counts[question]!
            let sum = 0
            for (let token = 0; token < n; token++) sum += found[(head * n + token) * units + unit]!
            return sum / n
          })
          const mean = each.reduce((sum, mass) => sum + mass, 0) / each.length
          means.push(mean)
          deviations.push(Math.sqrt(each.reduce((sum, mass) => sum + (mass - mean) ** 2, 0) / each.length))
        }
      assert.ok(largestDifference(bankMean, means) < 1e-3)
      assert.ok(largestDifference(bankDeviation, deviations) < 1e-3)
      assert.ok(deviations.every((deviation) => deviation > 0.01))
    })

    it('are zero without a bank', async () => {
      const episode = await readEpisode({ tokens: tokens.subarray(0, 20), units: Uint32Array.of(0, 20) })
      const { bankMean, bankDeviation } = await scoresOf(episode, 'f16', asked.queries, asked.tokens)
      assert.ok([...bankMean, ...bankDeviation].every((value) => value === 0))
    })
  })
})
