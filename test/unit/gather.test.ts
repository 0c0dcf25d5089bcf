import assert from 'node:assert/strict'
import { Backlog } from '../../extension/recall/backlog'
import { Gather } from '../../extension/recall/gather'

const signal = new AbortController().signal
const waiting = (file: string, size: number, modifiedMs = 0) => ({
  file,
  size,
  modifiedMs,
  changedMs: 0,
  wanted: false,
})

function backlogOf(sizes: readonly number[]): Backlog {
  const backlog = new Backlog()
  sizes.forEach((size, i) => backlog.put(waiting(`f${i}`, size, sizes.length - i)))
  return backlog
}

const names = (group: readonly { readonly next: { readonly file: string } }[]): string => group.map(({ next }) => next.file).join(' ') // prettier-ignore

describe('Files on their way to the model', () => {
  const prepare = (next: { readonly file: string }) => Promise.resolve(next.file.toUpperCase())

  it('go one by one where nothing is gained by more, and nothing is prepared ahead', async () => {
    const backlog = backlogOf([1, 1, 1])
    const gather = new Gather(backlog, 0, prepare)
    const first = await gather.next(false, signal)
    gather.prepareAhead(false, signal)
    assert.deepEqual(first.map(({ prepared }) => prepared), ['F0']) // prettier-ignore
    assert.equal(backlog.size, 2)
  })

  it('go in groups of so many tokens, a large one alone, in the order of the backlog', async () => {
    const gather = new Gather(backlogOf([100, 150, 100, 900, 10]), 100, prepare)
    const groups: string[] = []
    for (let group = await gather.next(false, signal); group.length > 0; group = await gather.next(false, signal)) {
      groups.push(names(group))
      gather.prepareAhead(false, signal)
      gather.done()
    }
    assert.deepEqual(groups, ['f0 f1 f2', 'f3', 'f4'])
  })

  it('are never more than some hundred at once', async () => {
    const gather = new Gather(backlogOf(Array.from({ length: 2000 }, () => 1)), 1e6, prepare)
    assert.equal((await gather.next(false, signal)).length, 512)
  })

  it('wait again when they were not read, those prepared ahead, too', async () => {
    const backlog = backlogOf([300, 300, 300])
    const gather = new Gather(backlog, 100, prepare)
    await gather.next(false, signal)
    gather.prepareAhead(false, signal)
    assert.equal(backlog.size, 1)
    await gather.putBack()
    assert.deepEqual(backlog.peek(3), ['f0', 'f1', 'f2'])
    assert.equal(names(await gather.next(false, signal)), 'f0')
    gather.done()
    await gather.putBack()
    assert.equal(backlog.size, 2)
  })

  it('are not prepared for nothing: what failed is told to who asks, and all of its group waits again', async () => {
    const backlog = backlogOf([100, 100, 100, 100])
    const gather = new Gather(backlog, 50, (next) =>
      next.file === 'f2' ? Promise.reject(new Error('gone')) : prepare(next),
    )
    assert.equal(names(await gather.next(false, signal)), 'f0 f1')
    gather.prepareAhead(false, signal)
    gather.done()
    await assert.rejects(gather.next(false, signal), /gone/)
    await gather.putBack()
    assert.deepEqual(backlog.peek(4), ['f2', 'f3'])
  })

  it('are prepared some at once, and when one fails the others have ended before it is told', async () => {
    let [running, most, ended] = [0, 0, 0]
    const slowly = async ({ file }: { readonly file: string }) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, file === 'f3' ? 1 : 5))
      running--
      ended++
      if (file === 'f3') throw new Error('gone')
      return file
    }
    const gather = new Gather(backlogOf(Array.from({ length: 40 }, () => 1)), 1000, slowly)
    await assert.rejects(gather.next(false, signal), /gone/)
    assert.equal(running, 0)
    assert.equal(most, 8)
    assert.equal(ended, 8)
  })

  it('are only what was just saved, where that is wanted', async () => {
    const backlog = backlogOf([10, 10])
    backlog.put(waiting('saved', 10), true)
    const gather = new Gather(backlog, 1000, prepare)
    assert.equal(names(await gather.next(true, signal)), 'saved')
    gather.done()
    assert.equal(names(await gather.next(true, signal)), '')
    assert.equal(backlog.size, 2)
  })
})
