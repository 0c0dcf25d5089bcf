/** The answer of a base model is the first line that says anything. */
import assert from 'node:assert/strict'
import { OneLine } from '../../extension/answer/one-line'

const given = (pieces: readonly string[]): [string, boolean] => {
  const line = new OneLine()
  return [pieces.map((piece) => line.push(piece)).join(''), line.over]
}

describe('the answer of a base model', () => {
  it('begins with the first word and ends with the line, wherever its pieces are cut', () => {
    assert.deepEqual(given([' ', '\n', ' 30', ' seconds', '\nQuestion: what', ' else?']), ['30 seconds', true])
    assert.deepEqual(given(['\n\nyes\r\n']), ['yes', true])
  })

  it('is not over before its line is', () => {
    assert.deepEqual(given([' 30', ' seconds ']), ['30 seconds ', false])
    assert.deepEqual(given([' \n ']), ['', false])
  })
})
