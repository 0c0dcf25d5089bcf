/** How much code surprises a model by ways of looking up, with a tiny model: where all fits into the window, as by full attention. */
import assert from 'node:assert/strict'
import { layOutRepository } from '../../extension/infllm/layout'
import { paper, type StreamParameters } from '../../extension/infllm/parameters'
import type { LoadedModel } from '../../extension/recall/loaded'
import { compare, surprise, surprisesOf, type Surprises } from '../bench/lookups/run'
import { run } from '../support/model'
import { loadRandomModel } from '../support/tiny-model'
import { workspace } from '../support/workspace'

const lines = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `def ${name}_${i}(a):\n    return a * ${i}\n`).join('\n')

describe('the bench of what is looked up while code is read', function () {
  this.timeout(60_000)
  let loaded: LoadedModel
  let root: string
  before(async () => {
    loaded = await loadRandomModel()
    root = workspace({ 'a.py': `import b\n\n${lines('a', 6)}`, 'b.py': lines('b', 6), 'c.py': lines('c', 3) })
  })
  after(() => loaded.model.dispose())

  const small: StreamParameters = {
    ...paper,
    nInit: 4,
    nLocal: 64,
    blockSize: 16,
    topk: 4,
    excBlockSize: 32,
    reprTopk: 2,
  }
  const read = (more: Partial<StreamParameters>, folder = root) =>
    surprisesOf(loaded.addon, loaded.model, folder, { ...small, maxCachedBlock: 4, ...more })

  it('is that of full attention where all fits into the window', async () => {
    const { model } = loaded
    const short = workspace({ 'a.py': `import b\n\n${lines('a', 2)}`, 'b.py': lines('b', 2) })
    const is = await read({ nLocal: 500, excBlockSize: 100 }, short)
    const { beginToken } = model.info()
    const options = { breadcrumbs: false, order: 'names', log: () => undefined, progress: () => undefined } as const
    const before = Int32Array.from(beginToken >= 0 ? [beginToken] : [])
    const laidOut = await layOutRepository(model, short, { ...options, before, signal: new AbortController().signal })
    assert.ok(laidOut.tokens.length < 500)
    const rows = Int32Array.from(laidOut.tokens.keys())
    const logits = await run((cancel) => model.logits(laidOut.tokens, rows, cancel))
    const wide = logits.length / rows.length
    for (const { file, from, to } of laidOut.files) {
      const { nats, imports } = is.get(file)!
      assert.equal(imports, file === 'a.py')
      const step = Math.max(8, Math.ceil((to - from) / 512))
      assert.equal(nats.length, Math.floor((to - from - 1) / step))
      nats.forEach((one, i) => {
        const row = from + (i + 1) * step - 1
        const should = surprise(logits.subarray(row * wide, (row + 1) * wide), laidOut.tokens[row + 1]!)
        assert.ok(Math.abs(one - should) < 0.05, `${one} for ${should}`)
      })
    }
  })

  it('asks for the same tokens whatever is looked up, and tells what it changes', async () => {
    const all = await read({})
    for (const more of [{ lookup: 'other' }, { lookup: 'imports', order: 'imports' }, { topk: 0 }] as const) {
      const other = await read(more)
      assert.deepEqual(
        [...other].map(([file, { nats }]) => [file, nats.length]).sort(),
        [...all].map(([file, { nats }]) => [file, nats.length]).sort(),
      )
      const { gain, error, tokens, nats } = compare(other, all, false)
      assert.ok(tokens > 50 && nats > 0 && gain !== 0 && error > 0)
      assert.ok(compare(other, all, true).tokens < tokens)
    }
  })

  it('compares the same tokens of two ways', () => {
    const of = (a: number[], b: number[]): Surprises =>
      new Map([
        ['a', { imports: true, nats: a }],
        ['b', { imports: false, nats: b }],
      ])
    const [is, other] = [of([1, 2], [3, 4]), of([2, 5], [3, 4])]
    assert.deepEqual(compare(is, other, true), { tokens: 2, nats: 1.5, gain: 2, error: Math.SQRT1_2 })
    assert.equal(compare(is, other, false).gain, 1)
    assert.equal(compare(is, is, false).gain, 0)
    assert.ok(Math.abs(surprise(Float32Array.of(0, Math.log(3)), 1) - Math.log(4 / 3)) < 1e-6)
  })
})
