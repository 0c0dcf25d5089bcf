/** Segments on disk: what is saved comes back, what is damaged is refused, and what cannot be written leaves nothing. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
import { smallDisk } from '../support/full-disk'
import { random } from '../support/random'
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
const save = (path: string, of = store) => run(() => of.get('a.py').save(path, `${path}.aside`, metadata))
const load = (into: NativeStore, path: string) =>
  run(async () => {
    const { episode, metadata: read } = await loadAddon().mapEpisode(path)
    into.put('a.py', episode)
    return read
  })
const score = (of: NativeStore) => run((cancel) => of.score(['a.py'], asked.queries, asked.tokens, threads, cancel))

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
      await save(again, other)
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
      for (const name of ['empty', 'text', 'folder']) await rejects(load(other, join(odd, name)), 'bad-segment')
      await rejects(load(other, join(odd, 'missing')), 'no-segment')
    })

    it('that is damaged in any of 300 ways is refused, and what was held before stays', async () => {
      // Where only keys are damaged, which are read when they are first used, a question is refused.
      const use = async (path: string) => {
        const other = await newStore()
        await load(other, path)
        try {
          await score(other)
        } finally {
          assert.deepEqual(other.takeDamaged(), ['a.py'])
          assert.equal(await other.get('a.py').check(), false)
        }
      }
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
        await rejects(use(damaged), 'bad-segment')
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

    it('onto a full disk rejects and leaves what was there before', async function () {
      const disk = smallDisk(16384)
      if ('skipped' in disk) return this.skip()
      const path = join(disk.folder, 'a.segment')
      writeFileSync(path, 'before')
      assert.match(await rejects(save(path), 'disk'), /No space left/)
      assert.deepEqual(readdirSync(disk.folder), ['a.segment'])
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
