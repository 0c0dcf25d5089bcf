/** Errors say what is wrong everywhere, and what to do about it where it is done. */
import assert from 'node:assert/strict'
import * as errors from '../../extension/errors'
import { fromResponseError, toResponseError } from '../../extension/engine/wire'

describe('an error', () => {
  const every = [
    errors.noFolder('/x'),
    errors.noModel('m'),
    errors.noProfile(),
    errors.tooFewQuestions(1, 20),
    errors.nothingFound(),
    errors.engineMissing('gone'),
    errors.engineDied('SIGSEGV'),
    errors.diskFailure('/x', new Error('full')),
    errors.wrongChecksum('m', 'a', 'b'),
    errors.modelNotStored('/x', 'full'),
    errors.choiceNotStored('/x', new Error('full')),
    errors.watchFailed('/x', new Error('none')),
  ]

  it('names commands and options only in what is said at a terminal', () => {
    for (const { what, message, terminal } of every) {
      assert.doesNotMatch(what, /--\w|"longread|npm run|LONGREAD_/)
      assert.equal(message, terminal === undefined ? what : `${what} ${terminal}`)
      assert.match(what, /\.$/)
    }
    assert.match(errors.diskFailure('/x', new Error('full')).message, /--memory/)
  })

  it('comes out of the engine process as it went in', () => {
    for (const error of every) {
      const { code, what, terminal, message } = fromResponseError(toResponseError(error))
      assert.deepEqual([code, what, terminal, message], [error.code, error.what, error.terminal, error.message])
    }
  })
})
