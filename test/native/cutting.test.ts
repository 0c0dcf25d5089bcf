/** Files cut by threads of their own: the same units and words as without, whatever becomes of the threads. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cutHere, CuttingThreads } from '../../extension/recall/cutting'
import { countWords } from '../../extension/recall/file-words'
import { LexicalIndex } from '../../extension/recall/lexical'
import { unitTexts } from '../../extension/recall/episode'
import { identifiers } from '../../extension/recall/words'
import { TestMemory } from '../support/memory'
import { temporaryFolder } from '../support/temp'
import { loadRandomModel } from '../support/tiny-model'
import { python, workspace } from '../support/workspace'

const files: Readonly<Record<string, string>> = {
  'a.py': python('alpha', 40),
  'b.ts': 'export class Größe {\n  länge(x: number): number {\n    return x + 1\n  }\n}\n',
  'c.md': '# Eins\n\nAbsatz mit Wörtern\n\n# Zwei\n\n١٢٣ und mehr\n',
  'd.rs': 'fn main() {\n    println!("x");\n}\n',
  'empty.py': '',
  'broken.py': 'def f(:\n  class ][\n',
  // Longer than what is parsed: it is cut as text, and that is said.
  'long.py': `x = """${'word '.repeat(850_000)}"""\n`,
}

async function allBy(cut: typeof cutHere) {
  const warnings: string[] = []
  const all = await Promise.all(
    Object.entries(files).map(async ([file, text]) => {
      const { units, words } = await cut(file, text, (message) => void warnings.push(message))
      return { file, units, words }
    }),
  )
  return { all, warnings }
}

/** A module in place of the thread's. */
function module(source: string): string {
  const file = join(temporaryFolder(), 'thread.js')
  writeFileSync(file, source)
  return file
}

describe('files cut by threads', () => {
  it('are cut, and their words counted, as without them, and it is said what was cut as text', async () => {
    const threads = new CuttingThreads(2)
    const [is, should] = [await allBy(threads.cut), await allBy(cutHere)]
    await threads.close()
    assert.deepEqual(is, should)
    assert.equal(should.warnings.length, 1)
    assert.ok(should.all.some(({ words }) => words.words.includes('länge')))
  })

  for (const [what, source] of [
    ['do not start', 'throw new Error("no")'],
    ['end while they are asked', 'require("node:worker_threads").parentPort.on("message", () => process.exit(3))'],
    ['cannot do it', 'const { parentPort: p } = require("node:worker_threads"); p.on("message", ({ number }) => p.postMessage({ number }))'], // prettier-ignore
  ] as const)
    it(`are cut all the same where these ${what}`, async () => {
      const threads = new CuttingThreads(2, module(source))
      assert.deepEqual((await allBy(threads.cut)).all, (await allBy(cutHere)).all)
      await threads.close()
    })

  it('are cut all the same when these are closed meanwhile, and afterwards', async () => {
    const threads = new CuttingThreads(1)
    const cutting = allBy(threads.cut)
    await threads.close()
    const should = await allBy(cutHere)
    assert.deepEqual((await cutting).all, should.all)
    assert.deepEqual((await allBy(threads.cut)).all, should.all)
  })

  it('are held with the same units and words by a memory that has so many that threads cut them', async () => {
    const root = workspace(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}.py`, python(`function_${i}`, 600)])),
    )
    const held = []
    for (const together of [100_000, 0]) {
      const loaded = await loadRandomModel()
      const { model } = loaded
      const info = { ...model.info(), together }
      // What is read makes no difference here.
      const three = { tokens: Int32Array.of(1, 2, 3), units: Uint32Array.of(0, 3) }
      const { heads, window, sinks, keyFormat } = loaded.profile
      const cancel = new loaded.addon.Cancel()
      const [read] = await model.readMany([three], { heads, window, sinks, keyFormat }, cancel, () => undefined)
      const readMany: typeof model.readMany = (episodes) =>
        Promise.resolve(episodes.map(({ units }) => read!.pick(new Int32Array(units.length / 2).fill(-1))))
      Object.defineProperties(model, { readMany: { value: readMany }, info: { value: () => info } })
      const { memory, ...opened } = await TestMemory.open(root, null, undefined, loaded)
      await memory.read({ signal: new AbortController().signal, progress: () => undefined, log: () => undefined })
      assert.deepEqual(opened.logged, [])
      const scores = [...memory.lexical.score(memory.files(), 'where is function_7')]
      held.push({ outline: memory.outline(), scores })
      await memory.close()
    }
    assert.equal(held[0]!.outline.length, 40)
    assert.deepEqual(held[0], held[1])
  })
})

describe('the words of a file', () => {
  it('are counted for each unit, as they are written, and make the same index as its texts', async () => {
    const text = files['b.ts']!
    const { units, words } = await cutHere('b.ts', text, () => undefined)
    const texts = unitTexts(text, units)
    assert.deepEqual(words, countWords(texts))
    let at = 0
    texts.forEach((one, i) => {
      const counted = new Map<string, number>()
      for (; at < words.ends[i]!; at += 2) counted.set(words.words[words.counts[at]!]!, words.counts[at + 1]!)
      const expected = new Map<string, number>()
      for (const word of identifiers(one)) expected.set(word, (expected.get(word) ?? 0) + 1)
      assert.deepEqual([...counted], [...expected])
    })
    const references = units.map((unit) => ({ file: 'b.ts', ...unit }))
    const [one, other] = [new LexicalIndex(), new LexicalIndex()]
    one.put('b.ts', references, texts)
    other.put('b.ts', references, words)
    assert.deepEqual(one, other)
    assert.ok(one.knows('länge') && one.knows('größe'))
  })

  it('are the same of ASCII as by the rule for all letters', () => {
    const plain = 'a1b 12ab_$c $d __init__ 3.14e5 x-y fooBar HTTP2Server\n\t0x1F'
    assert.deepEqual(identifiers(plain), identifiers(`${plain} é`).slice(0, -1))
    assert.deepEqual(identifiers(''), [])
  })
})
