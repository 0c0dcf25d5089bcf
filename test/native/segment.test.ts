/** Segments on disk: what is saved comes back, what is damaged is refused, and what cannot be written leaves nothing. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAddon, type NativeStore } from '../../extension/engine/addon'
import {
  largestDifference,
  queriesOf,
  readEpisode,
  run,
  sampleTokens,
  spansOf,
  testHeads,
  testModel,
  threads,
} from '../support/model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
const saved = join(folder, 'saved.segment')
const metadata = JSON.stringify({ note: 'any text, ä and \u0000 included' })

let store: NativeStore
let asked: { queries: Float32Array; tokens: number }
let whole: Buffer

const newStore = async (heads = testHeads): Promise<NativeStore> => {
  const addon = loadAddon()
  return new addon.Store(await testModel(), heads, 'q8')
}
const save = (path: string) => run(() => store.save('a.py', path, metadata))
const load = (into: NativeStore, path: string) => run(() => into.load('a.py', path))
const score = (of: NativeStore) => run((cancel) => of.score(['a.py'], asked.queries, asked.tokens, threads, cancel))

/** The same numbers at every run (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

describe('memory on disk', () => {
  before(async () => {
    const model = await testModel()
    const bank = await queriesOf('Who is signed in?')
    const episode = await readEpisode({
      tokens: sampleTokens(model, 60),
      units: spansOf([2, 20, 37, 60]),
      keyFormat: 'q8',
      bank: { queries: bank.queries, tokens: Uint32Array.of(2, bank.tokens - 2) },
    })
    asked = await queriesOf('Where are routes matched?')
    store = await newStore()
    store.put('a.py', episode)
    await save(saved)
    whole = readFileSync(saved)
  })

  describe('a segment', () => {
    it('that is saved and loaded gives its metadata and the same scores', async () => {
      const other = await newStore()
      assert.equal(await load(other, saved), metadata)
      const [before, after] = [await score(store), await score(other)]
      assert.equal(largestDifference(before.masses, after.masses), 0)
      assert.equal(largestDifference(before.bankMean, after.bankMean), 0)
      assert.equal(largestDifference(before.bankDeviation, after.bankDeviation), 0)
      assert.deepEqual(readdirSync(folder), ['saved.segment'])
    })

    it('that was loaded is saved again byte by byte', async () => {
      const other = await newStore()
      await load(other, saved)
      const again = join(temporaryFolder(), 'again.segment')
      await run(() => other.save('a.py', again, metadata))
      assert.deepEqual(readFileSync(again), whole)
    })

    it('of other heads is refused', async () => {
      await rejects(load(await newStore(testHeads.slice(1)), saved), 'bad-segment')
    })

    it('that is not there, empty, a folder or of another kind is refused', async () => {
      const odd = temporaryFolder()
      writeFileSync(join(odd, 'empty'), '')
      writeFileSync(join(odd, 'text'), 'no segment '.repeat(50))
      mkdirSync(join(odd, 'folder'))
      const other = await newStore()
      for (const name of ['missing', 'empty', 'text', 'folder'])
        await rejects(load(other, join(odd, name)), 'bad-segment')
    })

    it('that is damaged in any of 300 ways is refused, and what was held before stays', async () => {
      const below = random(7)
      const held = await newStore()
      await load(held, saved)
      const before = (await score(held)).masses
      const damaged = join(temporaryFolder(), 'damaged.segment')
      const change = (kind: number): Buffer => {
        if (kind === 0) return whole.subarray(0, below(whole.length))
        if (kind === 1)
          return Buffer.concat([whole, Buffer.from(Array.from({ length: 1 + below(200) }, () => below(256)))])
        // One bit or a few: anywhere, or in the numbers of the header, which lead to all the rest.
        const bytes = Buffer.from(whole)
        const flips = new Set(Array.from({ length: 1 + below(3) }, () => below((kind === 2 ? bytes.length : 40) * 8)))
        for (const bit of flips) bytes[bit >> 3]! ^= 1 << (bit & 7)
        return bytes
      }
      for (let i = 0; i < 300; i++) {
        writeFileSync(damaged, change(i % 4))
        await rejects(load(held, damaged), 'bad-segment')
      }
      assert.equal(largestDifference((await score(held)).masses, before), 0)
    })
  })

  describe('saving a segment', () => {
    it('into a folder that does not exist rejects with its path', async () => {
      const path = join(temporaryFolder(), 'missing', 'a.segment')
      assert.ok((await rejects(save(path), 'disk')).includes(path))
    })

    it('into a folder that may not be written rejects', async () => {
      // Nobody, not even root, makes files in /proc.
      await rejects(save('/proc/a.segment'), 'disk')
      const closed = temporaryFolder()
      chmodSync(closed, 0o500)
      if (process.getuid?.() !== 0) await rejects(save(join(closed, 'a.segment')), 'disk')
      assert.deepEqual(readdirSync(closed), [])
    })

    it('onto a full disk rejects and leaves what was there before', async () => {
      const full = temporaryFolder()
      const path = join(full, 'a.segment')
      writeFileSync(path, 'before')
      // Where it is written aside, every write fails as on a full disk.
      symlinkSync('/dev/full', `${path}.${process.pid}.tmp`)
      assert.match(await rejects(save(path), 'disk'), /No space left/)
      assert.deepEqual(readdirSync(full), ['a.segment'])
      assert.equal(readFileSync(path, 'utf8'), 'before')
    })

    it('over a folder rejects and leaves nothing else', async () => {
      const around = temporaryFolder()
      mkdirSync(join(around, 'a.segment'))
      await rejects(save(join(around, 'a.segment')), 'disk')
      assert.deepEqual(readdirSync(around), ['a.segment'])
    })
  })
})
