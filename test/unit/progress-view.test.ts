/** What a log, as a terminal that is none, is told of what goes on. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { ProgressView } from '../../extension/cli/terminal'
import type { Progress } from '../../extension/protocol/types'

function told(json: boolean, ...all: readonly Progress[]): string {
  const stream = new PassThrough()
  const view = new ProgressView(stream as unknown as NodeJS.WriteStream, json)
  for (const progress of all) view.show(progress)
  return String(stream.read() ?? '')
}

const reading = (done: number): Progress => ({ phase: 'read', done, total: 200, unit: 'tokens', rate: 50, detail: 'a.py' }) // prettier-ignore

describe('progress in a log', () => {
  it('is silent where nothing was to be done, and tells a phase once in five seconds', () => {
    assert.equal(told(false, { ...reading(0), total: 0 }), '')
    assert.equal(told(false, reading(0), reading(100), reading(150)), 'Reading 50 %: 100 tokens, 50 tokens/s, a.py\n')
  })

  it('is every step of it as JSON', () => {
    const lines = told(true, reading(0), reading(100)).trim().split('\n')
    assert.deepEqual(lines.map((line) => JSON.parse(line) as unknown), [{ progress: reading(0) }, { progress: reading(100) }]) // prettier-ignore
  })
})
