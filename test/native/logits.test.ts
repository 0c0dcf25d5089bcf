/** Our graph against libllama's own: the same numbers with the file's weights, nearly the same choices with the fast ones. */
import assert from 'node:assert/strict'
import { librariesFolder } from '../../extension/engine/addon'
import {
  best,
  largestDifference,
  modelPath,
  queriesOf,
  readEpisode,
  run,
  sampleTokens,
  scoresOf,
  spansOf,
  testModel,
  threads,
} from '../support/model'
import { loadOracle } from '../support/oracle'

const oracle = loadOracle()

describe('logits', () => {
  for (const count of [5, 100, 600])
    it(`of ${count} tokens are those of llama_decode, bit by bit, with the weights of the file`, async () => {
      const model = await testModel('file')
      const tokens = sampleTokens(model, count)
      // Both sides of the edge between batches, the first and the last.
      const rows = Int32Array.from(new Set([0, 2, count >> 1, 511, 512, count - 1].filter((row) => row < count)))
      const ours = await run((cancel) => model.logits(tokens, rows, cancel))
      const { logits } = await oracle.decode({
        path: await modelPath(),
        repack: true,
        libraries: librariesFolder(),
        threads,
        context: 8192,
        batch: 512,
        tokens,
        rows,
      })
      assert.equal(ours.length, rows.length * model.info().vocabulary)
      assert.equal(largestDifference(ours, logits), 0)
    })

  it('prefer the same next token with fast weights at 94 of 100 places', async () => {
    const [fast, file] = [await testModel('fast'), await testModel('file')]
    const tokens = sampleTokens(fast, 300)
    const rows = Int32Array.from(tokens.keys())
    const [a, b] = [
      best(await run((cancel) => fast.logits(tokens, rows, cancel)), rows.length),
      best(await run((cancel) => file.logits(tokens, rows, cancel)), rows.length),
    ]
    const same = a.filter((token, i) => token === b[i]).length / a.length
    assert.ok(same >= 0.94, `only ${(same * 100).toFixed(1)} % are the same`)
  })
})

describe('a window that slides', () => {
  it('changes nothing in an episode that is shorter than it', async () => {
    const model = await testModel()
    const options = { tokens: sampleTokens(model, 120), units: spansOf([3, 40, 57, 120]) }
    const { queries, tokens } = await queriesOf('How long does a worker wait?')
    const masses = []
    for (const window of [120, 256, 4096]) {
      const scores = await scoresOf(await readEpisode({ ...options, window }), 'f16', queries, tokens)
      masses.push(scores.masses)
    }
    assert.equal(largestDifference(masses[0]!, masses[1]!), 0)
    assert.equal(largestDifference(masses[0]!, masses[2]!), 0)
  })

  it('lets go of what is behind it, except for the sinks', async () => {
    const model = await testModel()
    const tokens = sampleTokens(model, 200)
    const units = spansOf([0, 50, 150, 200])
    const asked = await queriesOf('How long does a worker wait?')
    const masses = async (window: number) => {
      const scores = await scoresOf(await readEpisode({ tokens, units, window }), 'f16', asked.queries, asked.tokens)
      return scores.masses
    }
    const [short, long] = [await masses(64), await masses(1024)]
    const unit = (all: Float32Array, u: number) => all.filter((_, i) => i % 3 === u)
    assert.ok(largestDifference(unit(short, 0), unit(long, 0)) < 1e-3, 'within the window nothing changes')
    assert.ok(largestDifference(unit(short, 2), unit(long, 2)) > 1e-3, 'behind it, something is forgotten')
  })
})
