/** Asserts that a promise rejects with an error for people of this code, and returns what it says. */
import assert from 'node:assert/strict'
import { LongreadError, type ErrorCode } from '../../extension/errors'

export async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<string> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof LongreadError, String(error))
    assert.equal(error.code, code, error.message)
    return error.message
  }
  return assert.fail('did not reject')
}
