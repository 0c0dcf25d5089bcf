/** From masses to scores: what a unit without tokens, one that waits to be read, does to its own score and to others'. */
import assert from 'node:assert/strict'
import { attentionScores, standardise, tokenFinds } from '../../extension/recall/attention'
import { defaultProfile, type Profile } from '../../extension/recall/profile'

const profile: Profile = { ...defaultProfile, heads: [{ layer: 0, head: 0, weight: 1 }] }
/** One head, two tokens. */
const scoresOf = (first: number[], second: number[]) => ({
  masses: Float32Array.from([...first, ...second]),
  bankMean: new Float32Array(first.length),
  bankDeviation: new Float32Array(first.length).fill(1),
})
const weights = Float32Array.of(0.25, 0.75)

describe('attention scores', () => {
  it('leave a unit without tokens in the middle, and the others as they are without it', () => {
    const without = attentionScores(profile, scoresOf([-40, -35, -20], [-45, -33, -28]), weights, 3)
    const withIt = attentionScores(
      profile,
      scoresOf([-40, -35, -Infinity, -20], [-45, -33, -Infinity, -28]),
      weights,
      4,
    )
    assert.ok(Math.abs(withIt[2]!) < 1e-6)
    const others = standardise(Float32Array.of(withIt[0]!, withIt[1]!, withIt[3]!))
    others.forEach((score, i) => assert.ok(Math.abs(score - without[i]!) < 1e-6, `${score} is not ${without[i]}`))
  })

  it('find no word in a unit without tokens, and the same ones in the others', () => {
    const [without] = tokenFinds(profile, scoresOf([-4, -2], [-3, -7]), weights, 2, [0])
    const [withIt, silent] = tokenFinds(profile, scoresOf([-4, -2, -Infinity], [-3, -7, -Infinity]), weights, 3, [0, 2])
    assert.deepEqual(withIt, without)
    assert.deepEqual(silent, new Float32Array(2))
  })
})
