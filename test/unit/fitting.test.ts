/** Which models fit a machine. */
import assert from 'node:assert/strict'
import { fitOf } from '../../extension/engine/fitting'

describe('a model', () => {
  it('fits where its weights in 8 bits leave the editor the memory that it needs', () => {
    assert.equal(fitOf(98e6, 4e9).fits, true)
    assert.equal(fitOf(5e9, 16e9).fits, false)
    assert.equal(fitOf(5e9, 32e9).fits, true)
    const { needed, there } = fitOf(1e9, 8e9)
    assert.ok(needed > 2e9 && needed < 3e9)
    assert.equal(there, 8e9)
    assert.ok(fitOf(98e6).there > 1e8)
  })
})
