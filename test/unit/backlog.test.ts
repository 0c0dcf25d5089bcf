import assert from 'node:assert/strict'
import { Backlog, namedFiles } from '../../extension/recall/backlog'

const waiting = (file: string, modifiedMs: number, size = 10) => ({
  file,
  size,
  modifiedMs,
  changedMs: 0,
  wanted: false,
})
const order = (backlog: Backlog): string[] => {
  const files: string[] = []
  for (let next = backlog.take(); next; next = backlog.take()) files.push(next.file)
  return files
}

describe('The backlog', () => {
  it('gives what was saved, newest first; then what was asked for, in its order; then the most recently changed', () => {
    const backlog = new Backlog()
    for (const [i, file] of ['old', 'open1', 'middle', 'open2', 'new'].entries()) backlog.put(waiting(file, i))
    backlog.put(waiting('saved1', 0), true)
    backlog.put(waiting('saved2', 0), true)
    backlog.prefer(['open1', 'open2'])
    assert.deepEqual(backlog.peek(3), ['saved2', 'saved1', 'open1'])
    assert.deepEqual(order(backlog), ['saved2', 'saved1', 'open1', 'open2', 'new', 'middle', 'old'])
  })

  it('prefers what was asked for last', () => {
    const backlog = new Backlog()
    for (const file of ['a', 'b', 'c']) backlog.put(waiting(file, 0))
    backlog.prefer(['b'])
    backlog.prefer(['c'])
    assert.deepEqual(order(backlog), ['c', 'b', 'a'])
  })

  it('holds each file once, as it last was, and forgets what is removed', () => {
    const backlog = new Backlog()
    backlog.put(waiting('a', 1, 10))
    backlog.put(waiting('a', 2, 30))
    backlog.put(waiting('b', 1, 5))
    assert.deepEqual([backlog.size, backlog.bytes], [2, 35])
    backlog.remove('a')
    backlog.remove('missing')
    assert.deepEqual([backlog.size, backlog.bytes, order(backlog)], [1, 5, ['b']])
  })

  it('takes back what could not be read, unless it has changed meanwhile', () => {
    const backlog = new Backlog()
    backlog.put(waiting('a', 1), true)
    const taken = backlog.take()!
    backlog.putBack(taken)
    assert.equal(backlog.take(true)?.file, 'a')
    backlog.put(waiting('a', 2, 99))
    backlog.putBack(taken)
    assert.equal(backlog.take()?.size, 99)
  })

  it('gives only what is urgent when asked to', () => {
    const backlog = new Backlog()
    backlog.put(waiting('a', 1))
    assert.equal(backlog.take(true), undefined)
    backlog.put(waiting('b', 1), true)
    assert.equal(backlog.take(true)?.file, 'b')
    assert.equal(backlog.take(true), undefined)
    assert.equal(backlog.size, 1)
  })
})

describe('Files that a question names', () => {
  const files = ['web/router.ts', 'web/session.ts', 'jobs/backoff.py', 'a/it.py']
  for (const [question, named] of [
    ['What does router.ts do?', ['web/router.ts']],
    ['how does the Router match a path', ['web/router.ts']],
    ['what is in jobs/backoff.py.', ['jobs/backoff.py']],
    ['where is it?', []],
    ['why?', []],
  ] as const)
    it(`by "${question}" are ${named.length === 0 ? 'none' : named.join(', ')}`, () => {
      assert.deepEqual(namedFiles([question], files), named)
    })
})
