/** Answers that only say again what they have said end there. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Unrepeated } from '../../extension/answer/repetition'

/** What is said of an answer that comes in these pieces, and whether it was cut. */
function said(pieces: readonly string[]): { text: string; over: boolean } {
  const unrepeated = new Unrepeated()
  let text = ''
  for (const piece of pieces) {
    text += unrepeated.push(piece)
    if (unrepeated.over) break
  }
  return { text: text + unrepeated.end(), over: unrepeated.over }
}

/** Pieces of one to four characters, as a tokenizer might give. */
const inPieces = (text: string): string[] => text.match(/[^]{1,4}/gu) ?? []

describe('an answer', () => {
  it('is said as it is when it repeats nothing', () => {
    const text = 'The limit is 500. It is read from the settings, e.g. from max.size.\nThe limit may be raised.'
    assert.deepEqual(said(inPieces(text)), { text, over: false })
  })

  it('ends before a sentence that was said already, and none of that is shown', () => {
    const { text, over } = said(inPieces('The delay is 44528. It is long. The delay is 44528. It is long. The'))
    assert.ok(over)
    assert.equal(text.trimEnd(), 'The delay is 44528. It is long.')
  })

  it('ends where the model goes on to ask', () => {
    const { text, over } = said(inPieces('It keeps routes. Questions are few.\n\nQuestion: How are routes kept?'))
    assert.ok(over)
    assert.equal(text.trimEnd(), 'It keeps routes. Questions are few.')
  })

  it('may start a sentence like an earlier one', () => {
    const text = 'The delay is 4. The delay is 40 at most.'
    assert.deepEqual(said(inPieces(text)), { text, over: false })
  })

  it('ends in a loop that has no sentences', () => {
    const { text, over } = said(inPieces(`set by ${'_default_logging_handler'.repeat(40)}`))
    assert.ok(over)
    assert.ok(text.length < 100, text)
  })

  it('may hold a table, a rule and a list of numbers', () => {
    for (const text of ['-'.repeat(200), '| a | b |\n|---|---|\n| 1 | 2 |', '1, 2, 3, 4, 5, 6, 7, 8, 9'])
      assert.deepEqual(said(inPieces(text)), { text, over: false })
  })

  it('is never changed but by an end', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 6 }), { maxLength: 30 }), (pieces) => {
        const { text, over } = said(pieces)
        const whole = pieces.join('')
        assert.ok(whole.startsWith(text))
        if (!over) assert.equal(text, whole.trim() === '' ? text : whole)
      }),
    )
  })
})
