/** What is done before the first question, when the engine has nothing else to do. */
import assert from 'node:assert/strict'
import { Turns } from '../../extension/engine/turns'
import { Warming } from '../../extension/engine/warming'
import { recall } from '../../extension/recall/recall'
import { TestMemory } from '../support/memory'
import { loadRandomModel } from '../support/tiny-model'
import { python, workspace } from '../support/workspace'

const options = { top: 5, signals: 'all', rerank: false, rarity: true } as const

describe('before the first question', () => {
  /** A memory of its own model, and what was asked of that model. */
  async function opened() {
    const loaded = await loadRandomModel()
    const { model } = loaded
    const asked = { placed: 0, heard: 0 }
    const tokenizeMany = model.tokenizeMany.bind(model)
    const queries = model.queries.bind(model)
    const root = workspace({ 'a.py': python('send_request'), 'b.py': python('merge_settings') })
    const memory = await TestMemory.open(root, null, undefined, loaded)
    await memory.read()
    Object.defineProperty(model, 'tokenizeMany', {
      value: (...call: Parameters<typeof tokenizeMany>) => ((asked.placed += call[0].length), tokenizeMany(...call)),
    })
    Object.defineProperty(model, 'queries', {
      value: (...call: Parameters<typeof queries>) => (asked.heard++, queries(...call)),
    })
    return { memory, asked }
  }
  const until = async (what: () => boolean) => {
    for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.ok(what(), 'it never came')
  }

  it('words are placed and a question is asked, once a memory, and a question finds the same afterwards', async () => {
    const { memory, asked } = await opened()
    const cold = await opened()
    const warming = new Warming(new Turns())
    warming.soon(memory.memory)
    warming.soon(memory.memory)
    await until(() => asked.heard > 0)
    const { placed } = asked
    assert.ok(placed > 4)
    const ask = (of: TestMemory) => recall(of.memory, 'Where is a value sent?', options, of.options())
    const { units } = await ask(memory)
    assert.equal(asked.heard, 2)
    assert.ok(asked.placed - placed <= 3, 'the words of the question alone are placed')
    assert.deepEqual(units.map(({ score }) => score), (await ask(cold.memory)).units.map(({ score }) => score)) // prettier-ignore
  })

  it('a question that comes first is answered first, and what ended is not begun', async () => {
    const { memory, asked } = await opened()
    const turns = new Turns()
    const warming = new Warming(turns)
    const signal = new AbortController().signal
    await turns.take('question', signal, async () => {
      warming.soon(memory.memory)
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.deepEqual(asked, { placed: 0, heard: 0 })
      warming.end()
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual(asked, { placed: 0, heard: 0 })
  })
})
