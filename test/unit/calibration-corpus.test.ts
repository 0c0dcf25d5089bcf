/** Which files a calibration reads of a repository, and what it asks of them. */
import assert from 'node:assert/strict'
import { chooseCorpus, type CorpusOptions } from '../../extension/recall/calibration/corpus'
import { rejects } from '../support/rejects'
import { removeTemporaryFolders, temporaryTree } from '../support/tree'

const documented = (i: number) => `def f${i}(x):\n    """Turns the value number ${i} around."""\n    return -x * ${i}\n`
const tree = Object.fromEntries([
  ...Array.from({ length: 12 }, (_, i) => [`asks/a${i}.py`, documented(i)] as const),
  ...Array.from({ length: 40 }, (_, i) => [`silent/s${i}.py`, `def g${i}(x):\n    return x + ${i}000000\n`] as const),
  ['tests/test_a.py', documented(99)],
  ['LICENSE', 'Permission is granted.\n'.repeat(4)],
  ['large.py', documented(100) + 'x = 1\n'.repeat(2000)],
  ['again/a.py', documented(3)],
])

const options: CorpusOptions = {
  seed: 1,
  tokens: 400,
  questions: 100,
  tokensOf: (text) => Math.ceil(text.length / 4),
  signal: new AbortController().signal,
  log: () => assert.fail(),
}

describe('the corpus of a calibration', () => {
  afterEach(removeTemporaryFolders)

  it('is whole files within the budget, with those that ask among them, without their documentation', async () => {
    const corpus = await chooseCorpus(await temporaryTree(tree), options)
    assert.ok(corpus.tokens <= options.tokens && corpus.tokens > options.tokens / 2, `${corpus.tokens}`)
    assert.equal(
      corpus.files.reduce((sum, { tokens }) => sum + tokens, 0),
      corpus.tokens,
    )
    const names = corpus.files.map(({ file }) => file)
    assert.deepEqual(names, [...names].sort())
    assert.ok(!names.includes('large.py') && !names.includes('LICENSE'))
    const silent = names.filter((name) => !/^(asks|again)/.test(name)).length
    assert.ok(silent > 0 && silent < names.length, `${silent} of ${names.length} ask nothing`)
    for (const { text } of corpus.files) assert.ok(!text.includes('"""'))
    assert.ok(corpus.questions.length >= 4)
    for (const { question, file, symbol, startLine, endLine } of corpus.questions) {
      const lines = corpus.files.find((one) => one.file === file)!.text.split('\n')
      assert.match(lines[startLine - 1]!, new RegExp(`^def ${symbol}`))
      assert.ok(endLine >= startLine && question.startsWith('Turns the value'))
    }
  })

  it('is the same for the same seed, and another for another', async () => {
    const root = await temporaryTree(tree)
    const corpus = await chooseCorpus(root, options)
    assert.deepEqual(await chooseCorpus(root, options), corpus)
    assert.notDeepEqual(await chooseCorpus(root, { ...options, seed: 2 }), corpus)
  })

  it('asks nothing that two functions answer, but knows that it is said here', async () => {
    const corpus = await chooseCorpus(await temporaryTree(tree), { ...options, tokens: 100_000 })
    const twice = 'Turns the value number 3 around.'
    assert.ok(!corpus.questions.some(({ question }) => question === twice))
    assert.ok(corpus.own.includes(twice))
    assert.ok(!corpus.own.includes('Turns the value number 99 around.'), 'tests ask nothing')
    // A repository of few files is read whole, but for what is no code.
    assert.ok(corpus.files.some(({ file }) => file === 'large.py'))
  })

  it('asks at most so many', async () => {
    const corpus = await chooseCorpus(await temporaryTree(tree), { ...options, tokens: 100_000, questions: 5 })
    assert.equal(corpus.questions.length, 5)
  })

  it('is refused where there is no folder, and cancelled', async () => {
    await rejects(chooseCorpus('/no/such/folder', options), 'no-folder')
    await rejects(chooseCorpus(await temporaryTree(tree), { ...options, signal: AbortSignal.abort() }), 'cancelled')
  })
})
