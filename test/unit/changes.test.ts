import assert from 'node:assert/strict'
import { Changes, type Clock } from '../../extension/workspace/changes'

/** Time that passes when it is told to. */
class FakeClock implements Clock {
  private time = 0
  private timers: { readonly at: number; readonly call: () => void }[] = []

  now(): number {
    return this.time
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call }
    this.timers.push(timer)
    return () => (this.timers = this.timers.filter((other) => other !== timer))
  }

  pass(ms: number): void {
    this.time += ms
    const due = this.timers.filter(({ at }) => at <= this.time)
    this.timers = this.timers.filter(({ at }) => at > this.time)
    for (const { call } of due) call()
  }
}

describe('Changes', () => {
  it('are told together once it is quiet, the last that changed last', () => {
    const [clock, told] = [new FakeClock(), [] as string[][]]
    const changes = new Changes((files) => told.push(files), { quietMs: 100, mostMs: 1000, clock })
    changes.add(['a', 'b'])
    clock.pass(60)
    changes.add(['c', 'a'])
    clock.pass(60)
    assert.deepEqual(told, [])
    clock.pass(60)
    assert.deepEqual(told, [['b', 'c', 'a']])
    clock.pass(5000)
    assert.equal(told.length, 1)
  })

  it('are told after a while though it is never quiet', () => {
    const [clock, told] = [new FakeClock(), [] as string[][]]
    const changes = new Changes((files) => told.push(files), { quietMs: 100, mostMs: 500, clock })
    for (let i = 0; i < 12; i++) {
      changes.add([`f${i}`])
      clock.pass(50)
    }
    assert.deepEqual(told, [Array.from({ length: 10 }, (_, i) => `f${i}`)])
    clock.pass(100)
    assert.equal(told.length, 2)
  })

  it('are not told after closing', () => {
    const [clock, told] = [new FakeClock(), [] as string[][]]
    const changes = new Changes((files) => told.push(files), { clock })
    changes.add(['a'])
    changes.close()
    clock.pass(5000)
    assert.deepEqual(told, [])
  })
})
