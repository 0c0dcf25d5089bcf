/** What waits for a GPU that is made ready, and what it says meanwhile. */
import assert from 'node:assert/strict'
import { WarmUp } from '../../extension/engine/warm-up'
import type { Progress } from '../../extension/protocol/types'

type Tell = (reads: boolean) => void

/** A model whose warming up goes on as the test says. */
function warming() {
  const made = {
    cancelled: false,
    tell: undefined as Tell | undefined,
    end: () => {},
    fail: (error: Error) => void error,
  }
  class Cancel {
    cancel(): void {
      made.cancelled = true
    }
  }
  const warmUp = (_heads: unknown, _cancel: unknown, tell: Tell): Promise<void> =>
    new Promise((resolve, reject) => Object.assign(made, { tell, end: resolve, fail: reject }))
  return { made, warmUp: new WarmUp({ Cancel }, { warmUp }) }
}

function tools() {
  const told: Progress[] = []
  const abort = new AbortController()
  return { told, abort, signal: abort.signal, progress: (progress: Progress) => told.push(progress) }
}

/** Whether it has settled by now. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  const later = new Promise<false>((resolve) => setTimeout(() => resolve(false), 20))
  return Promise.race([promise.then(() => true), later])
}

describe('a GPU that is made ready', () => {
  it('holds up reading until that is ready, and answering until all is', async () => {
    const { made, warmUp } = warming()
    const reading = warmUp.wait('read', tools())
    const answering = warmUp.wait('answer', tools())
    made.tell!(false)
    assert.deepEqual([await settled(reading), await settled(answering)], [false, false])
    made.tell!(true)
    assert.deepEqual([await settled(reading), await settled(answering)], [true, false])
    made.end()
    await answering
    const late = tools()
    await warmUp.wait('answer', late)
    assert.deepEqual(late.told, [])
  })

  it('says how long it has taken while somebody waits, and only then', async () => {
    const { made, warmUp } = warming()
    const first = tools()
    const waiting = warmUp.wait('answer', first)
    await new Promise((resolve) => setTimeout(resolve, 1200))
    made.end()
    await waiting
    assert.ok(first.told.length > 0)
    for (const { phase, unit, done } of first.told) {
      assert.deepEqual([phase, unit], ['prepare', 'seconds'])
      assert.ok(done <= 10)
    }
    const { length } = first.told
    await new Promise((resolve) => setTimeout(resolve, 700))
    assert.equal(first.told.length, length)
  })

  it('lets go of who does not want to wait any longer', async () => {
    const { warmUp } = warming()
    const impatient = tools()
    const waiting = warmUp.wait('answer', impatient)
    impatient.abort.abort()
    await assert.rejects(waiting, { code: 'cancelled' })
    await assert.rejects(warmUp.wait('read', impatient), { code: 'cancelled' })
  })

  it('holds up nobody when it fails or is ended', async () => {
    const { made, warmUp } = warming()
    const waiting = warmUp.wait('read', tools())
    warmUp.end()
    assert.ok(made.cancelled)
    made.fail(new Error('cancelled'))
    await waiting
    await warmUp.wait('answer', tools())
  })
})
