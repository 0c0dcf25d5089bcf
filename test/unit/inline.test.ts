/** Questions asked in the code: what they are about and how they are put. */
import assert from 'node:assert/strict'
import { nameOf, ownQuestion, presetQuestion, type Subject } from '../../extension/answer/inline'
import type { Unit } from '../../extension/protocol/types'

const unit = (startLine: number, endLine: number, symbol: string): Unit => ({
  startLine,
  endLine,
  symbol,
  kind: 'method',
})
const units = [unit(1, 9, ''), unit(10, 30, 'Router'), unit(12, 14, 'Router.match, Router.add')]
const at = (startLine: number, selected?: string): Subject => ({
  file: 'a.ts', startLine, endLine: startLine, ...(selected === undefined ? {} : { selected }),
}) // prettier-ignore
const fill = (message: string, ...args: string[]) =>
  message.replace(/\{(\d)\}/g, (_, i: string) => args[Number(i)] ?? '')

describe('a question in the code', () => {
  it('is about the name that is selected, else about the smallest definition around it', () => {
    assert.equal(nameOf(at(12, 'handler'), units), 'handler')
    assert.equal(nameOf(at(13, 'if (a) { b() }'), units), 'match')
    assert.equal(nameOf(at(20), units), 'Router')
    assert.equal(nameOf(at(20, 'class'), units), 'Router')
    assert.equal(nameOf(at(3), units), '')
    assert.equal(nameOf(at(13), []), '')
    assert.equal(nameOf(at(20), [{ symbol: 'inner', startLine: 19, endLine: 21 }, ...units]), 'inner')
  })

  it('explains from its lines, and looks everywhere for uses and effects', () => {
    assert.deepEqual(presetQuestion('explain', at(12), 'match', fill), {
      question: 'Explain what match does.',
      within: [{ file: 'a.ts', startLine: 12, endLine: 12 }],
    })
    assert.equal(presetQuestion('uses', at(12), 'match', fill).within, undefined)
    assert.match(presetQuestion('breaks', at(12), '', fill).question, /a\.ts:12/)
  })

  it('of one’s own names what it is about, once', () => {
    assert.equal(
      ownQuestion(' Who calls this? ', at(12), 'match', fill).question,
      'Who calls this? (about match in a.ts)',
    )
    assert.equal(ownQuestion('Who calls match?', at(12), 'match', fill).question, 'Who calls match?')
    assert.equal(ownQuestion('Why?', at(1), '', fill).question, 'Why?')
  })
})
