/** Words that the default model holds near one another, and how the lexical head uses them. */
import assert from 'node:assert/strict'
import { KinWords } from '../../extension/recall/kin'
import { LexicalIndex } from '../../extension/recall/lexical'
import { termsOf } from '../../extension/recall/words'
import type { UnitReference } from '../../extension/protocol/types'
import { run, testModel, type NativeModel } from '../support/model'
import { loadAddon } from '../../extension/engine/addon'
import { rejects } from '../support/rejects'

const texts = {
  'a.py': 'def walk(directory):\n    for name in list_all(directory): check(name)\n',
  'b.py': 'def shrink(large_image, tiny_image):\n    return large_image.resize(4)\n',
  'c.py': 'def connect(socket, port):\n    return socket.open(port)\n',
}
const files = Object.keys(texts)

const kinWords = async (): Promise<KinWords> =>
  new KinWords({ addon: loadAddon(), model: await testModel(), threads: 2 })

function index(): LexicalIndex {
  const made = new LexicalIndex()
  for (const [file, text] of Object.entries(texts)) {
    const unit: UnitReference = { file, startLine: 1, endLine: 2, kind: 'function', symbol: '' }
    made.put(file, [unit], [text])
  }
  return made
}

describe('vectors of words', function () {
  this.timeout(60_000)
  let model: NativeModel

  before(async () => (model = await testModel()))

  it('have length 1, are the same each time, and zeros where a word has no tokens', async () => {
    const tokens = model.tokenize(' directory', false)
    const size = model.info().embedding
    const vectors = await model.wordVectors(
      Int32Array.from([...tokens, ...tokens]),
      Uint32Array.of(tokens.length, 0, tokens.length),
    )
    assert.equal(vectors.length, 3 * size)
    const [first, none, again] = [0, 1, 2].map((word) => vectors.subarray(word * size, (word + 1) * size))
    assert.ok(Math.abs(first!.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-4)
    assert.ok(none!.every((value) => value === 0))
    assert.deepEqual(again, first)
  })

  it('are refused for tokens that are none, or too few', async () => {
    await rejects(
      run(() => model.wordVectors(Int32Array.of(1 << 20), Uint32Array.of(1))),
      'usage',
    )
    await rejects(
      run(() => model.wordVectors(Int32Array.of(1), Uint32Array.of(2))),
      'usage',
    )
  })
})

describe('kin', function () {
  this.timeout(60_000)

  it('of a word are those of like meaning, nearest first, and never itself', async () => {
    const lexical = index()
    const kin = await (await kinWords()).of([...termsOf('folder'), ...termsOf('directory')], lexical)
    assert.equal(kin.get('folder')?.[0]?.term, 'directori')
    const likeness = kin.get('folder')?.map((one) => one.likeness) ?? []
    assert.deepEqual(
      likeness,
      [...likeness].sort((a, b) => b - a),
    )
    assert.ok(!kin.get('directori')?.some(({ term }) => term === 'directori'))
  })

  it('find a unit that says the same in other words, behind one that has the word itself', async () => {
    const lexical = index()
    const words = await kinWords()
    const score = async (question: string, terms: readonly string[]): Promise<number[]> => {
      const kin = await words.of(terms, lexical)
      return [...lexical.score(files, question, (term) => kin.get(term) ?? [])]
    }
    const [directory, large] = await score('which folder is searched?', termsOf('folder'))
    assert.ok(directory! > 2 * large!)
    const [own] = await score('which directory is searched?', termsOf('directory'))
    assert.ok(own! > directory!)
    assert.deepEqual([...lexical.score(files, 'which folder is searched?')], [0, 0, 0])
  })

  it('follow the words of the workspace', async () => {
    const lexical = index()
    const words = await kinWords()
    await words.of(termsOf('folder'), lexical)
    lexical.remove('a.py')
    const kin = await words.of(termsOf('folder'), lexical)
    assert.ok(!kin.get('folder')?.some(({ term }) => term === 'directori'))
  })
})
