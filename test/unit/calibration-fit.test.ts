/** Fitting heads to questions: finds the heads that find, keeps few, and gives the same for the same seed. */
import assert from 'node:assert/strict'
import {
  fitHeads,
  reciprocalRank,
  scoreUnits,
  toStep,
  type Example,
  type FitOptions,
  type Group,
} from '../../extension/recall/calibration/fit'
import { bestBeyond, heldOut, lexicalWeights } from '../../extension/recall/calibration/held-out'
import { randomFrom } from '../../extension/recall/calibration/questions'

const heads = 30
/** Heads that see what answers, by how many deviations. */
const planted = new Map([
  [4, 2.5],
  [17, 2],
  [23, 1.5],
])
const options: FitOptions = { seed: 7, keep: 6, units: 40 }

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function repository(seed: number, questions = 30, units = 150, sees: ReadonlyMap<number, number> = planted): Example[] {
  const random = randomFrom(seed)
  return Array.from({ length: questions }, () => {
    const gold = new Set([Math.floor(random() * units)])
    const features = Int8Array.from({ length: units * heads }, (_, i) => {
      const answers = gold.has(Math.floor(i / heads)) ? (sees.get(i % heads) ?? 0) : 0
      return toStep(normal(random) + answers)
    })
    return { features, units, gold }
  })
}

const groups: readonly Group[] = [repository(1), repository(2)]
const pause = () => Promise.resolve()

describe('fitting heads', () => {
  it('finds the planted ones among noise, by how well each sees, and no weight is negative', async () => {
    const weights = await fitHeads(groups, heads, options)
    const best = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]!).slice(0, planted.size)
    assert.deepEqual(best, [4, 17, 23])
    assert.ok(weights.every((weight) => weight >= 0))
    const noise = weights.reduce((sum, weight, head) => (planted.has(head) ? sum : sum + weight), 0)
    assert.ok(noise < 0.2 * weights.reduce((sum, weight) => sum + weight, 0), `${noise}`)
  })

  it('keeps no more heads than it may', async () => {
    for (const keep of [1, 3, 6]) {
      const weights = await fitHeads(groups, heads, { ...options, keep })
      assert.ok(weights.filter((weight) => weight > 0).length <= keep)
      assert.ok(weights[4]! > 0)
    }
  })

  it('gives the same weights for the same seed, and draws other units for another', async () => {
    const weights = await fitHeads(groups, heads, options)
    assert.deepEqual(await fitHeads(groups, heads, options), weights)
    assert.notDeepEqual(await fitHeads(groups, heads, { ...options, seed: 8 }), weights)
  })

  it('does not depend on the seed where every unit is seen, and finds nearly as well where few are', async () => {
    const all = { ...options, units: 150 }
    const whole = await fitHeads(groups, heads, all)
    assert.deepEqual(await fitHeads(groups, heads, { ...all, seed: 8 }), whole)
    const few = await fitHeads(groups, heads, options)
    const unseen = repository(3, 200)
    assert.ok(Math.abs(reciprocalRank(unseen, few) - reciprocalRank(unseen, whole)) < 0.03)
  })

  it('ranks questions that it has not seen', async () => {
    const weights = await fitHeads(groups, heads, options)
    const unseen = repository(3, 100)
    const alone = new Float64Array(heads)
    alone[4] = 1
    assert.ok(reciprocalRank(unseen, weights) > reciprocalRank(unseen, alone) + 0.1)
  })

  it('counts each repository once, however many questions it asks', async () => {
    const large = repository(5, 120, 60, new Map([[8, 3]]))
    const small = repository(6, 12, 60, new Map([[9, 3]]))
    const weights = await fitHeads([large, small], heads, options)
    assert.ok(weights[9]! > 0.5 * weights[8]!, `${weights[8]} ${weights[9]}`)
  })

  it('is interrupted where it pauses', async () => {
    let pauses = 0
    const stop = () => (++pauses === 5 ? Promise.reject(new Error('stop')) : Promise.resolve())
    await assert.rejects(fitHeads(groups, heads, options, stop), /stop/)
    assert.equal(pauses, 5)
  })
})

describe('figures that are held out', () => {
  const asked = (group: Group) => group.map((example) => ({ example, words: new Float32Array(example.units) }))

  it('are near chance where heads see nothing, however well the questions themselves can be fitted', async () => {
    const noise = [repository(1, 15, 60, new Map()), repository(2, 15, 60, new Map())]
    const fitted = await fitHeads(noise, heads, options)
    const { mean } = await heldOut(noise.map(asked), heads, options, pause)
    assert.ok(reciprocalRank(noise[0]!, fitted) > 2 * mean, `${mean}`)
    // The mean of 1/rank over 60 places is .078.
    assert.ok(mean < 0.16, `${mean}`)
  })

  it('are those of every question once where there is one repository', async () => {
    const one = repository(1, 30)
    const { groups: means } = await heldOut([asked(one)], heads, options, pause)
    assert.equal(means.length, 1)
    assert.ok(means[0]! > 0.5, `${means[0]}`)
  })

  it('count words by how they help', async () => {
    const blind = [repository(1, 15, 60, new Map()), repository(2, 15, 60, new Map())]
    const told = blind.map((group) =>
      group.map((example) => ({
        example,
        words: Float32Array.from({ length: example.units }, (_, unit) => (example.gold.has(unit) ? 5 : 0)),
      })),
    )
    const { withWords } = await heldOut(told, heads, options, pause)
    const chosen = lexicalWeights[bestBeyond(withWords, 0.01)]!
    assert.ok(chosen > lexicalWeights[0]!, `${chosen}`)
    assert.ok(withWords[lexicalWeights.indexOf(2)]! > 0.9)
  })

  it('leave what is usual only for a clear gain', () => {
    assert.equal(bestBeyond([0.4, 0.405, 0.3], 0.01), 0)
    assert.equal(bestBeyond([0.4, 0.42, 0.43], 0.01), 2)
  })
})

describe('a z-score as a step', () => {
  it('is an eighth of a deviation, cut where a byte ends', () => {
    assert.deepEqual([0, 1, -1, 0.06, 0.07, 40, -40].map(toStep), [0, 8, -8, 0, 1, 127, -127])
    const example = { features: Int8Array.of(8, -8, 0, 16), units: 2, gold: new Set([0]) }
    assert.deepEqual([...scoreUnits(example, Float64Array.of(1, 0.5))], [4, 8])
  })
})
