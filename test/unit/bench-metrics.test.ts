/**
 * The bench's figures on rankings small enough to check by hand.
 */
import * as assert from 'node:assert/strict'
import { Bm25Index, bm25, documentOf, wordsOf } from '../bench/recall/bm25'
import { goldUnits } from '../../extension/recall/calibration/questions'
import { rankOf } from '../../extension/recall/calibration/rank'
import { evaluate, figuresOf, meanOf, ranksOf } from '../bench/recall/metrics'
import type { BenchUnit } from '../bench/recall/ranker'
import { markdownTable, textTable, type Measured } from '../bench/recall/report'

const unit = (file: string, startLine: number, endLine: number, text = ''): BenchUnit => ({
  ...{ file, startLine, endLine, text },
  ...{ symbol: '', kind: 'function' },
})

describe('ranks', () => {
  it('count from one, from the highest score', () => {
    assert.equal(
      rankOf([0.5, 2, 1], (index) => index === 1),
      1,
    )
    assert.equal(
      rankOf([0.5, 2, 1], (index) => index === 0),
      3,
    )
  })

  it('are those of the best answer where there are several', () => {
    assert.equal(
      rankOf([3, 2, 1], (index) => index > 0),
      2,
    )
  })

  it('are shared by those of equal score', () => {
    assert.equal(
      rankOf([1, 1, 1, 1], (index) => index === 0),
      2.5,
    )
    assert.equal(
      rankOf([5, 1, 1, 0], (index) => index === 2),
      2.5,
    )
  })

  it('treat what has no score as the worst', () => {
    assert.equal(
      rankOf([NaN, 1, 0], (index) => index === 0),
      3,
    )
    assert.equal(
      rankOf([1, 0], () => false),
      Infinity,
    )
  })

  it('take a file at its best unit', () => {
    const units = [unit('a', 1, 5), unit('a', 6, 9), unit('b', 1, 9), unit('c', 1, 9)]
    const scores = Float32Array.from([0.1, 0.9, 0.8, 0.95])
    assert.deepEqual(ranksOf(units, { scores, gold: new Set([0]) }), { unit: 4, file: 2 })
  })
})

describe('figures', () => {
  it('are the mean reciprocal rank and the shares within 1, 5 and 10', () => {
    assert.deepEqual(figuresOf([1, 2, 4, 8]), { mrr: (1 + 1 / 2 + 1 / 4 + 1 / 8) / 4, at1: 0.25, at5: 0.75, at10: 1 })
    assert.deepEqual(figuresOf([Infinity]), { mrr: 0, at1: 0, at5: 0, at10: 0 })
  })

  it('do not count a shared first place as a first place', () => {
    assert.equal(figuresOf([1.5]).at1, 0)
  })

  it('weigh each repository alike in the mean', () => {
    const one = evaluate([{ unit: 1, file: 1 }])
    const two = evaluate(Array.from({ length: 9 }, () => ({ unit: 2, file: 2 })))
    assert.equal(meanOf([one, two]).unit.mrr, 0.75)
    assert.equal(meanOf([one, two]).questions, 10)
  })

  it('count every unit that holds a line of the function as its answer', () => {
    const units = [unit('a', 1, 5), unit('a', 6, 9), unit('a', 10, 12), unit('b', 1, 99)]
    const question = { question: '', file: 'a', symbol: '', startLine: 5, endLine: 9 }
    assert.deepEqual([...goldUnits(question, units)], [0, 1])
  })
})

describe('tables', () => {
  const measured = (repository: string, ranker: string, rank: number): Measured => ({
    ...{ repository, ranker, units: 12, seconds: 0.1 },
    evaluation: evaluate([{ unit: rank, file: 1 }]),
  })
  const all = [measured('a', 'x', 1), measured('a', 'y', 2), measured('b', 'x', 4), measured('b', 'y', 4)]

  it('end with the mean of each ranker', () => {
    const rows = textTable(all).trimEnd().split('\n')
    assert.equal(rows.length, 7)
    assert.match(rows[5]!, /^mean of 2 +24 +2 +x +\.625/)
    assert.match(rows[6]!, /^ +y +\.375/)
  })

  it('are the same in Markdown', () => {
    const rows = markdownTable(all).trimEnd().split('\n')
    assert.equal(rows.length, 8)
    assert.ok(rows.every((row) => row.split('|').length === rows[0]!.split('|').length))
  })
})

describe('BM25', () => {
  it('splits identifiers and keeps them whole', () => {
    assert.deepEqual(wordsOf('parseHTTPHeader'), ['parse', 'http', 'header', 'parsehttpheader'])
    assert.deepEqual(wordsOf('max_size = 10'), ['max', 'size', 'max_size', '10'])
    assert.deepEqual(wordsOf('utf8'), ['utf', '8', 'utf8'])
  })

  it('scores as computed by hand', () => {
    // Three documents of 2, 2 and 4 words: a mean of 8/3. "cat" is in two of them, "dog" in one.
    const index = new Bm25Index(['cat cat', 'cat bird', 'dog bird bird bird'])
    const catRarity = Math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    const dogRarity = Math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    const short = 1.2 * (0.25 + 0.75 * (2 / (8 / 3)))
    const long = 1.2 * (0.25 + 0.75 * (4 / (8 / 3)))
    const expected = [
      (catRarity * 2 * 2.2) / (2 + short),
      (catRarity * 1 * 2.2) / (1 + short),
      (dogRarity * 1 * 2.2) / (1 + long),
    ]
    for (const [at, score] of index.score('the Dog, and cat').entries()) {
      assert.ok(Math.abs(score - expected[at]!) < 1e-6, `${String(score)} instead of ${String(expected[at])}`)
    }
  })

  it('counts a word asked twice once', () => {
    const index = new Bm25Index(['cat', 'dog'])
    assert.deepEqual(index.score('cat cat'), index.score('cat'))
  })

  it('searches path, symbol and text', async () => {
    const units = [unit('lib/sessions.ts', 1, 2, 'a'), unit('lib/b.ts', 1, 2, 'sessions'), unit('lib/c.ts', 1, 2, 'c')]
    const { scores } = await bm25.rank(['sessions'], units)
    assert.ok(scores[0]![0]! > 0 && scores[0]![1]! > 0 && scores[0]![2] === 0)
    assert.equal(documentOf(units[1]!), 'lib/b.ts\n\nsessions')
  })
})
