import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Turns, type Turn, type Urgency } from '../../extension/engine/turns'
import { cancelled } from '../../extension/errors'
import { rejects } from '../support/rejects'

const never = new AbortController().signal

/** Work in steps that gives way between them and notes what it does. */
function worker(turns: Turns, notes: string[]) {
  return (name: string, urgency: Urgency, steps: number, signal = never) =>
    turns.take(urgency, signal, async (turn: Turn) => {
      for (let step = 1; step <= steps; step++) {
        await turn.giveWay()
        notes.push(`${name}${step}`)
        await delay(1)
      }
    })
}

describe('Turns', () => {
  it('let one work at a time, in the order in which they came', async () => {
    const notes: string[] = []
    const work = worker(new Turns(), notes)
    await Promise.all([work('a', 'read', 2), work('b', 'read', 2), work('c', 'read', 1)])
    assert.deepEqual(notes, ['a1', 'a2', 'b1', 'b2', 'c1'])
  })

  it('let a question and a saved file in between two steps of reading, the question first', async () => {
    const notes: string[] = []
    const turns = new Turns()
    const work = worker(turns, notes)
    const reading = work('read', 'read', 3)
    await delay(0)
    const [update, question] = [work('update', 'update', 2), work('question', 'question', 1)]
    await Promise.all([reading, update, question])
    assert.deepEqual(notes, ['read1', 'question1', 'update1', 'update2', 'read2', 'read3'])
  })

  it('tell who is less urgent to stop at once, and who goes on afterwards that nothing waits', async () => {
    const turns = new Turns()
    let interruptions = 0
    const reading = turns.take('read', never, async (turn) => {
      while (!turn.interrupted.aborted) await delay(1)
      interruptions++
      await turn.giveWay()
      assert.equal(turn.interrupted.aborted, false)
    })
    await delay(0)
    await turns.take('question', never, () => Promise.resolve())
    await reading
    assert.equal(interruptions, 1)
  })

  it('are given up while waiting when cancelled, and nobody else waits for that', async () => {
    const notes: string[] = []
    const work = worker(new Turns(), notes)
    const abort = new AbortController()
    const first = work('a', 'question', 2)
    const second = rejects(work('b', 'question', 1, abort.signal), 'cancelled')
    const third = work('c', 'question', 1)
    abort.abort()
    await Promise.all([first, second, third])
    assert.deepEqual(notes, ['a1', 'a2', 'c1'])
  })

  it('pass on when work fails', async () => {
    const turns = new Turns()
    await assert.rejects(turns.take('read', never, () => Promise.reject(new Error('no'))))
    assert.equal(await turns.take('read', never, () => Promise.resolve(7)), 7)
  })

  describe('between calls', () => {
    /** Work that ends when it is told to, and gives up when it is stopped. */
    const work = (signal: AbortSignal, until: Promise<unknown>): Promise<void> =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(cancelled()), { once: true })
        void until.then(() => resolve())
      })

    it('let a call go before a step that is under way, which is then begun again', async () => {
      const turns = new Turns()
      const seen: string[] = []
      let begun = 0
      const background = turns.between(never)(async (signal) => {
        begun++
        seen.push(`step ${begun}`)
        await work(signal, begun === 1 ? new Promise(() => undefined) : Promise.resolve())
        return 'done'
      })
      await delay(1)
      await turns.take('read', never, () => Promise.resolve(seen.push('call')))
      assert.equal(await background, 'done')
      assert.deepEqual(seen, ['step 1', 'call', 'step 2'])
    })

    it('end when they are no longer wanted, and pass on what goes wrong', async () => {
      const turns = new Turns()
      const abort = new AbortController()
      const step = turns.between(abort.signal)
      const background = step((signal) => work(signal, new Promise(() => undefined)))
      await delay(1)
      abort.abort()
      await assert.rejects(background)
      await assert.rejects(step(() => Promise.resolve()))
      await assert.rejects(
        turns.between(never)(() => Promise.reject(new Error('broken'))),
        /broken/,
      )
      assert.equal(await turns.take('question', never, () => Promise.resolve(1)), 1)
    })
  })
})
