import assert from 'node:assert/strict'
import { chooseReading, describeWay, usualReading } from '../../extension/infllm/choice'

describe('where answers come from', () => {
  const better = (afresh: number, memory: number) => ({ answered: { afresh, memory, of: 40 } })

  it('is the way that the model was measured to answer better by, and units read afresh where both are equal', () => {
    assert.equal(chooseReading(undefined, better(38, 12)).reading, undefined)
    assert.deepEqual(chooseReading(undefined, better(12, 38)).reading, usualReading)
    assert.equal(chooseReading(undefined, better(20, 20)).reading, undefined)
  })

  it('is units read afresh for a model that nobody measured', () => {
    assert.deepEqual(chooseReading(undefined, {}), { reading: undefined, from: { way: 'afresh' } })
  })

  it('is what was asked for, whatever was measured', () => {
    const asked = { ...usualReading, choose: 'recall' as const }
    assert.equal(chooseReading(asked, better(38, 12)).reading, asked)
    assert.equal(chooseReading('afresh', better(12, 38)).reading, undefined)
  })

  it('is said, with the figures that it was chosen by', () => {
    const said = describeWay(chooseReading(undefined, better(12, 38)).from)
    assert.match(said, /from keys and values/)
    assert.match(said, /Of 40 planted constants .* 12 .* afresh, 38 from memory/)
    assert.match(describeWay(chooseReading('afresh', better(12, 38)).from), /afresh, as asked/)
    assert.match(describeWay(chooseReading(undefined, {}).from), /nobody measured/)
  })
})
