/** The order of files in a stream: those that changed go to its end; and where reading pauses to be kept. */
import assert from 'node:assert/strict'
import { citedFrom } from '../../extension/infllm/asking'
import { asFound, inOrder, pauses } from '../../extension/infllm/order'

const texts = (names: string) => Array.from(names, (name) => ({ file: name.toLowerCase(), digest: name }))
const names = (files: readonly { digest: string }[]) => files.map(({ digest }) => digest).join('')

describe('the order of files in a stream', () => {
  it('is that of their names at first', () => {
    const { files, same, settled } = inOrder(texts('abcd'), [])
    assert.deepEqual([names(files), same, settled], ['abcd', 0, 4])
  })

  it('is that of the last time, with what has changed and what is new at the end', () => {
    for (const [found, before, order, same, settled] of [
      ['abcd', 'abcd', 'abcd', 4, 4],
      ['aBcd', 'abcd', 'acdB', 1, 3],
      ['aBcd', 'acdb', 'acdB', 3, 3],
      ['aBcD', 'acdB', 'acBD', 2, 3],
      ['abcde', 'acdb', 'acdbe', 4, 4],
      ['bcd', 'abcd', 'bcd', 0, 3],
      ['abc', 'abcd', 'abc', 3, 3],
      ['ABC', 'abc', 'ABC', 0, 0],
    ] as const) {
      const is = inOrder(texts(found), texts(before))
      assert.deepEqual([names(is.files), is.same, is.settled], [order, same, settled], `${before} to ${found}`)
    }
  })

  it('does not change where it is of some meaning', () => {
    for (const [found, before, same] of [
      ['abcd', 'abcd', 4],
      ['aBcd', 'abcd', 1],
      ['abcde', 'abcd', 4],
      ['bcd', 'abcd', 0],
      ['abc', '', 0],
    ] as const) {
      const is = asFound(texts(found), texts(before))
      assert.deepEqual([names(is.files), is.same, is.settled], [found, same, found.length])
    }
  })

  it('has pauses after so many tokens, before what has changed, and at the end', () => {
    const files = [10, 20, 30, 40, 50].map((to) => ({ to }))
    assert.deepEqual(pauses(files, 5, 0, 20), [2, 4, 5])
    assert.deepEqual(pauses(files, 3, 0, 20), [2, 3, 5])
    assert.deepEqual(pauses(files, 3, 30, 1000), [5])
    assert.deepEqual(pauses(files, 5, 50, 20), [])
    assert.deepEqual(pauses([], 0, 0, 20), [])
  })
})

describe('citations of an answer from memory', () => {
  it('are the units that most layers looked up, for the answer as a whole', () => {
    const unit = (file: string, share: number) =>
      ({ file, startLine: 1, endLine: 2, kind: 'function', symbol: 'f', share }) as const
    const used = [unit('a', 1), unit('b', 0.9), unit('c', 0.8), unit('d', 0.7), unit('e', 0.5)]
    const cited = citedFrom('One. Two.', used)
    assert.deepEqual(
      cited.map(({ file, sentence }) => [file, sentence]),
      [['a', 1], ['b', 1], ['c', 1]], // prettier-ignore
    )
    assert.deepEqual(citedFrom('One.', used.slice(4)), [])
    assert.deepEqual(citedFrom('', used), [])
  })
})
