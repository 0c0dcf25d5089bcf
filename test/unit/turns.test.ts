/** Calls take turns with the model, and work in the background steps aside for them. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Turns } from '../../extension/engine/turns'
import { cancelled } from '../../extension/errors'

/** Work that ends when it is told to, and gives up when it is stopped. */
function work(signal: AbortSignal, until: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(cancelled()), { once: true })
    void until.then(() => resolve())
  })
}

describe('turns', () => {
  it('are taken one after the other, whatever becomes of a call', async () => {
    const turns = new Turns()
    const seen: string[] = []
    const first = turns.take(async () => {
      await delay(5)
      seen.push('first')
      throw new Error('first')
    })
    const second = turns.take(() => Promise.resolve(seen.push('second')))
    await assert.rejects(first, /first/)
    await second
    assert.deepEqual(seen, ['first', 'second'])
  })

  it('let a call go before a step that is under way, which is then begun again', async () => {
    const turns = new Turns()
    const seen: string[] = []
    let begun = 0
    const step = turns.between(new AbortController().signal)
    const background = step(async (signal) => {
      begun++
      seen.push(`step ${begun}`)
      await work(signal, begun === 1 ? new Promise(() => undefined) : Promise.resolve())
      return 'done'
    })
    await delay(1)
    await turns.take(() => Promise.resolve(seen.push('call')))
    assert.equal(await background, 'done')
    assert.deepEqual(seen, ['step 1', 'call', 'step 2'])
  })

  it('let every call that waits go before the next step', async () => {
    const turns = new Turns()
    const seen: string[] = []
    const step = turns.between(new AbortController().signal)
    const calls = ['a', 'b'].map((name) => turns.take(() => delay(2).then(() => seen.push(name))))
    const background = step(() => Promise.resolve(seen.push('step')))
    const late = turns.take(() => Promise.resolve(seen.push('c')))
    await Promise.all([...calls, late, background])
    assert.deepEqual(seen, ['a', 'b', 'c', 'step'])
  })

  it('end work in the background that is no longer wanted, and pass on what goes wrong in it', async () => {
    const turns = new Turns()
    const abort = new AbortController()
    const step = turns.between(abort.signal)
    const background = step((signal) => work(signal, new Promise(() => undefined)))
    await delay(1)
    abort.abort()
    await assert.rejects(background)
    await assert.rejects(step(() => Promise.resolve()))
    await assert.rejects(
      turns.between(new AbortController().signal)(() => Promise.reject(new Error('broken'))),
      /broken/,
    )
    assert.equal(await turns.take(() => Promise.resolve(1)), 1)
  })
})
