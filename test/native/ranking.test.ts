/** Scores that are made of masses in native code, against attention.ts, which says what they are. */
import assert from 'node:assert/strict'
import { attentionScores, tokenFinds } from '../../extension/recall/attention'
import { hear, tokenWeights } from '../../extension/recall/question'
import { TestMemory } from '../support/memory'
import { run } from '../support/model'
import { rejects } from '../support/rejects'
import { python, workspace } from '../support/workspace'

const files = Object.fromEntries(
  Array.from({ length: 12 }, (_, i) => [`f${i}.py`, [0, 1, 2].map((n) => python(`f_${i}_${n}`, 2 + n)).join('\n\n')]),
)

describe('scores of all units', () => {
  let opened: TestMemory
  before(async () => {
    opened = await TestMemory.open(workspace(files), null)
    await opened.read()
  })

  const asked = async (question: string) => {
    const { memory } = opened
    const { profile } = memory.loaded
    const heard = await hear(memory.loaded, question)
    const weights = tokenWeights(heard, memory.lexical, 0.5)
    const heads = Float64Array.from(profile.heads, ({ weight }) => weight)
    memory.arrange()
    const rank = () => run((cancel) => memory.store.rank(heard.queries, weights, heads, 2, cancel))
    const masses = await run((cancel) => memory.store.score(memory.files(), heard.queries, heard.tokens, 2, cancel))
    return { profile, weights, masses, rank, units: memory.units().length }
  }

  it('are equal to the last bit, and so is what each token finds', async () => {
    for (const question of ['Where is f_7_1 doubled?', 'value']) {
      const { profile, weights, masses, rank, units } = await asked(question)
      const ranked = await rank()
      assert.deepEqual(ranked.scores(), attentionScores(profile, masses, weights, units))
      const chosen = [0, 5, units - 1]
      const finds = tokenFinds(profile, masses, weights, units, chosen)
      assert.deepEqual(
        [...ranked.finds(Int32Array.from(chosen))],
        finds.flatMap((one) => [...one]),
      )
    }
  })

  it('count a file from the next question on, with units that no token was read of', async () => {
    await opened.update({ file: 'new.py', text: python('f_new') }, { file: 'f3.py', text: '' })
    const { profile, weights, masses, rank, units } = await asked('Where is f_new?')
    assert.deepEqual((await rank()).scores(), attentionScores(profile, masses, weights, units))
  })

  it('are refused for units that are not there, for weights that do not fit, and when they are gone', async () => {
    const { rank, units, weights } = await asked('value')
    const ranked = await rank()
    await rejects(
      run(() => Promise.resolve().then(() => ranked.finds(Int32Array.of(units)))),
      'usage',
    )
    ranked.dispose()
    await rejects(
      run(() => Promise.resolve().then(() => ranked.scores())),
      'usage',
    )
    const { store } = opened.memory
    await rejects(
      run((cancel) => store.rank(new Float32Array(3), weights, Float64Array.of(1), 2, cancel)),
      'usage',
    )
  })

  it('of two questions at once do not mix', async () => {
    const { rank } = await asked('Where is f_2_0?')
    const alone = (await rank()).scores()
    const [a, b] = await Promise.all([rank(), rank()])
    assert.deepEqual(a.scores(), alone)
    assert.deepEqual(b.scores(), alone)
  })
})
