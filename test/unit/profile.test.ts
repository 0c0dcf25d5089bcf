/** Profiles: the one that ships fits the default model, and one from disk is checked for all that the engine relies on. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelInfo } from '../../extension/engine/addon'
import { profileFor, profileKey, readProfile, type Profile } from '../../extension/recall/profile'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const info = { layers: 30, heads: 9, keyHeads: 3, embedding: 576, trainedContext: 8192, name: 'x' } as ModelInfo

describe('a profile', () => {
  const folder = temporaryFolder()
  const shipped = profileFor(info)!
  const written = (profile: unknown): string => {
    const file = join(folder, 'profile.json')
    writeFileSync(file, typeof profile === 'string' ? profile : JSON.stringify(profile))
    return file
  }

  it('that ships is one that could be read from disk, with weights that sum to 1', async () => {
    assert.deepEqual(await readProfile(written(shipped), info), shipped)
    const sum = shipped.heads.reduce((total, { weight }) => total + weight, 0)
    assert.ok(Math.abs(sum - 1) < 0.01, String(sum))
  })

  it('names what is stored: other heads, bank or key format give another key, other weights the same', () => {
    const key = profileKey(shipped)
    assert.notEqual(profileKey({ ...shipped, heads: shipped.heads.slice(1) }), key)
    assert.notEqual(profileKey({ ...shipped, bank: shipped.bank.slice(1) }), key)
    assert.notEqual(profileKey({ ...shipped, keyFormat: 'f16' }), key)
    assert.equal(profileKey({ ...shipped, heads: shipped.heads.map((head) => ({ ...head, weight: 0.5 })) }), key)
  })

  it('from disk is refused with what is wrong', async () => {
    const [first, ...rest] = shipped.heads
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      ['{"name": ', /JSON/],
      [[1], /shape/],
      [{ ...shipped, shape: { ...shipped.shape, layers: 31 } }, /shape/],
      [{ ...shipped, heads: [] }, /no heads/],
      [{ ...shipped, heads: [{ ...first, layer: 30 }, ...rest] }, /a head/],
      [{ ...shipped, heads: [{ ...first, head: -1 }, ...rest] }, /a head/],
      [{ ...shipped, heads: [{ ...first, weight: -0.1 }, ...rest] }, /a head/],
      [{ ...shipped, heads: [first, first] }, /twice/],
      [{ ...shipped, bank: ['one'] }, /bank/],
      [{ ...shipped, bank: ['one', ' '] }, /bank/],
      [{ ...shipped, prompt: {} }, /prompt/],
      [{ ...shipped, window: 0 }, /window/],
      [{ ...shipped, distance: 1e9 }, /distance/],
      [{ ...shipped, sinks: 1.5 }, /sinks/],
      [{ ...shipped, keyFormat: 'q4' }, /keyFormat/],
      [{ ...shipped, rarityPower: 'much' } as unknown as Profile, /rarityPower/],
    ]
    for (const [profile, why] of wrong)
      assert.match(await rejects(readProfile(written(profile), info), 'bad-profile'), why)
    const missing = readProfile(join(folder, 'no-such-file.json'), info)
    assert.match(await rejects(missing, 'bad-profile'), /no-such-file/)
  })
})
