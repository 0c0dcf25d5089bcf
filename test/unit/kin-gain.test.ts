/** How much near words count, by how much of a question its own words can answer for. */
import * as assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { kinGain, nearer } from '../../extension/recall/kin'
import { LexicalIndex } from '../../extension/recall/lexical'
import type { UnitReference } from '../../extension/protocol/types'

const unit = (file: string, symbol: string, line: number): UnitReference => ({
  ...{ file, symbol, kind: 'function' },
  ...{ startLine: line, endLine: line },
})

describe('what words can answer for', () => {
  const index = new LexicalIndex()
  index.put(
    'net.py',
    [unit('net.py', 'merge', 1), unit('net.py', 'send', 2), unit('net.py', 'close', 3)],
    ['merge proxy settings from the environment', 'send the request', 'close'],
  )
  const coverage = (question: string): number => index.coverage(['net.py'], question)

  it('is more of a question, the more of its words one unit writes', () => {
    const [all, half, none] = ['merging proxy settings?', 'merging proxy invoices?', 'paying invoices?'].map(coverage)
    assert.ok(all! > half! && half! > none!, `${all} ${half} ${none}`)
    assert.equal(none, 0)
  })

  it('is what one unit writes, not all of them together', () => {
    assert.ok(coverage('proxy settings?') > coverage('proxy request?'))
  })

  it('is nothing of a question without words', () => {
    for (const question of ['', '?', 'what is it?']) assert.equal(coverage(question), 0, question)
  })

  it('is from 0 to 1', () => {
    const word = fc.constantFrom('merge', 'proxy', 'request', 'invoice', 'send', 'the')
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const share = coverage(words.join(' '))
        assert.ok(share >= 0 && share <= 1)
      }),
    )
  })
})

describe('near words beside attention', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })

  it('count as they are where the question is covered, three times where it is not', () => {
    assert.equal(kinGain(1), 1)
    assert.equal(kinGain(0), 3)
  })

  it('count the more, the less is covered', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        assert.ok(kinGain(Math.min(a, b)) >= kinGain(Math.max(a, b)))
      }),
    )
  })

  it('never count more than the word itself, and keep their order', () => {
    const kin = [
      { term: 'folder', likeness: 0.7 },
      { term: 'path', likeness: 0.25 },
    ]
    assert.deepEqual(nearer(kin, 2), [
      { term: 'folder', likeness: 1 },
      { term: 'path', likeness: 0.5 },
    ])
    assert.deepEqual(nearer(kin, 1), kin)
  })
})
