/** The reference questions' queries on disk: whole or not at all. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { pack, unpack } from '../../extension/recall/bank'

const bank = { queries: Float32Array.from({ length: 96 }, (_, i) => Math.sin(i)), tokens: Uint32Array.of(3, 1, 2) }

describe('a bank on disk', () => {
  it('is the same after it was packed and unpacked', () => {
    assert.deepEqual(unpack(pack(bank)), bank)
  })

  it('is found out when any byte is changed or it is cut anywhere', () => {
    const whole = pack(bank)
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const damaged = Buffer.from(whole)
        damaged[at] = damaged[at]! ^ by
        assert.equal(unpack(damaged), undefined)
        assert.equal(unpack(whole.subarray(0, at)), undefined)
      }),
    )
  })
})
