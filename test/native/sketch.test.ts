/** A memory larger than what may be resident: estimates from sketches, and exact scores of the units that they choose. */
import assert from 'node:assert/strict'
import { attentionScores } from '../../extension/recall/attention'
import { hearBank } from '../../extension/recall/bank'
import { hear, tokenWeights } from '../../extension/recall/question'
import { recall } from '../../extension/recall/recall'
import { best } from '../../extension/recall/scoring'
import { TestMemory } from '../support/memory'
import { run } from '../support/model'
import { rejects } from '../support/rejects'
import { python, workspace } from '../support/workspace'

const files = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [
    `f${i}.py`,
    [0, 1, 2].map((n) => python(`f_${i}_${n}`, 3 + ((i + n) % 9))).join('\n\n'),
  ]),
)
const question = 'Where is f_7_1 doubled?'
const attention = { top: 100, signals: 'attention', rerank: false, rarity: true } as const

describe('a memory that overflows', () => {
  let opened: TestMemory
  const asked = async () => {
    const { memory } = opened
    const { profile } = memory.loaded
    const heard = await hear(memory.loaded, question)
    const [bank, weights] = [await hearBank(memory.loaded), tokenWeights(heard, memory.lexical, 0)]
    const estimate = () =>
      run((cancel) =>
        memory.store.estimate(
          memory.files(),
          heard.queries,
          heard.tokens,
          bank.queries,
          bank.tokens,
          2,
          cancel,
          () => undefined,
        ),
      )
    const exact = () => run((cancel) => memory.store.score(memory.files(), heard.queries, heard.tokens, 2, cancel))
    const some = (units: Int32Array) =>
      run((cancel) => memory.store.scoreUnits(memory.files(), heard.queries, heard.tokens, units, 2, cancel))
    return {
      estimate,
      exact,
      some,
      rank: (scores: Awaited<ReturnType<typeof exact>>) =>
        attentionScores(profile, scores, weights, memory.units().length),
    }
  }

  before(async () => {
    opened = await TestMemory.open(workspace(files), null)
    await opened.read()
  })

  it('says so', () => {
    assert.equal(opened.memory.store.overflows(), false)
    opened.memory.store.keepResident(0)
    assert.equal(opened.memory.store.overflows(), true)
  })

  it('estimates what the heads give each unit, and gives the same again', async () => {
    const { estimate, exact, rank } = await asked()
    const [estimated, again, whole] = [await estimate(), await estimate(), await exact()]
    assert.deepEqual(again, estimated)
    assert.deepEqual(estimated.bankMean, whole.bankMean)
    assert.deepEqual(estimated.bankDeviation, whole.bankDeviation)
    const [a, b] = [rank(estimated), rank(whole)]
    const correlation = a.reduce((sum, value, i) => sum + value * b[i]!, 0) / a.length
    // Keys of random weights have no few numbers that matter most; of the default model it is .9.
    assert.ok(correlation > 0.5, `estimates are related to the exact scores by ${correlation}`)
  })

  it('scores chosen units exactly, and refuses those that are not there', async () => {
    const { exact, some } = await asked()
    const whole = await exact()
    const units = opened.memory.units().length
    const chosen = Int32Array.of(0, 5, 6, units - 1)
    const masses = await some(chosen)
    masses.forEach((mass, i) => assert.equal(mass, whole.masses[Math.floor(i / 4) * units + chosen[i % 4]!]))
    for (const wrong of [[units], [-1], [3, 3], [4, 2]]) await rejects(some(Int32Array.from(wrong)), 'usage')
  })

  it('answers as one that does not, where every unit is worth scoring', async () => {
    const ask = () => recall(opened.memory, question, attention, opened.options())
    const inTwoStages = await ask()
    opened.memory.store.keepResident(2 ** 31)
    const { units } = await ask()
    assert.deepEqual(inTwoStages.units, units)
  })
})

describe('the best of several rankings', () => {
  it('are taken from each in turn, as many as are wanted, in rising order', () => {
    const rankings = [Float32Array.of(1, 9, 2, 8), Float32Array.of(7, 3, 6, 1)]
    assert.deepEqual([...best(rankings, 3)], [0, 1, 3])
    assert.deepEqual([...best(rankings, 9)], [0, 1, 2, 3])
  })
})
