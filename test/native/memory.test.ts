/** The memory that lasts: what it keeps, shares, refuses and forgets. Read with a tiny model of random weights. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryFolder } from '../../extension/store/folder'
import { clear, inventory, verify } from '../../extension/store/inventory'
import { prune } from '../../extension/store/prune'
import { scan } from '../../extension/store/scan'
import { recall } from '../../extension/recall/recall'
import { readOnly, smallDisk } from '../support/full-disk'
import { cleanRead, contents, differences, randomModel, TestMemory } from '../support/memory'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

const three = { 'a.py': python('alpha'), 'b.py': python('beta'), 'c/d.md': '# Delta\n\nSome words.\n' }
const newFolder = () => join(temporaryFolder(), 'memory')
const segmentsIn = (folder: string): string[] =>
  readdirSync(join(folder, 'segments'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.segment'),
  )

/** As if everything kept had last been used an hour ago. */
function age(folder: string): void {
  const then = new Date(Date.now() - 3_600_000)
  for (const name of segmentsIn(folder)) utimesSync(join(folder, 'segments', name), then, then)
}

/** Reads a workspace once and closes it. */
async function readOnce(root: string, folder: string | null) {
  const opened = await TestMemory.open(root, folder)
  const result = await opened.read()
  await opened.close()
  return { result, logged: opened.logged }
}

describe('a memory that lasts', () => {
  describe('is kept', () => {
    it('so that a start without a change reads nothing, and holds the same bytes', async () => {
      const [root, folder] = [workspace(three), newFolder()]
      assert.equal((await readOnce(root, folder)).result.reused, 0)
      const again = await TestMemory.open(root, folder)
      const result = await again.read()
      assert.equal(result.tokensRead, 0)
      assert.equal(result.reused, 3)
      assert.deepEqual(differences(await contents(again.memory), await cleanRead(root)), [])
    })

    it('for every worktree and branch: nothing is read twice', async () => {
      const [first, folder] = [workspace(three), newFolder()]
      await readOnce(first, folder)
      const second = workspace({ ...three, 'b.py': python('branched') })
      assert.equal((await readOnce(second, folder)).result.reused, 2)
      put(second, three)
      assert.equal((await readOnce(second, folder)).result.tokensRead, 0)
    })

    it('private to its user, marked as a cache, ignored by git and by Longread where it lies in a workspace', async () => {
      const root = workspace(three)
      execFileSync('git', ['init', '-q', root])
      const folder = join(root, '.memory')
      const before = (await readOnce(root, folder)).result
      for (const name of ['', 'segments', 'workspaces', 'banks', 'aside'])
        assert.equal(statSync(join(folder, name)).mode & 0o777, 0o700, name)
      for (const name of segmentsIn(folder)) assert.equal(statSync(join(folder, 'segments', name)).mode & 0o777, 0o600)
      for (const name of readdirSync(join(folder, 'workspaces')))
        assert.equal(statSync(join(folder, 'workspaces', name)).mode & 0o777, 0o600)
      assert.equal(before.files, 3)
      assert.ok(
        readFileSync(join(folder, 'CACHEDIR.TAG'), 'utf8').startsWith('Signature: 8a477f597d28d172789f06886806bc55'),
      )
      const untracked = execFileSync('git', ['-C', root, 'status', '--short', '-uall'], { encoding: 'utf8' })
      assert.ok(!untracked.includes('.memory'), untracked)
      chmodSync(join(folder, 'segments'), 0o755)
      assert.equal((await readOnce(root, folder)).result.files, 3)
      assert.equal(statSync(join(folder, 'segments')).mode & 0o777, 0o700)
    })

    it('never in the workspace itself, around it, or among other things', async () => {
      const root = workspace(three)
      assert.match(await rejects(TestMemory.open(root, root), 'usage'), /--memory/)
      assert.match(await rejects(TestMemory.open(root, join(root, '..')), 'usage'), /--memory/)
      const full = workspace({ 'thesis.txt': 'years of work' })
      assert.match(await rejects(TestMemory.open(root, full), 'usage'), /thesis\.txt/)
      assert.deepEqual(readdirSync(full), ['thesis.txt'])
    })
  })

  describe('of another version', () => {
    it('is read again, whether its segments are older or newer', async () => {
      const [root, folder] = [workspace(three), newFolder()]
      for (const version of [1, 3, 0xffffffff]) {
        await readOnce(root, folder)
        for (const name of segmentsIn(folder)) {
          const bytes = readFileSync(join(folder, 'segments', name))
          bytes.writeUInt32LE(version, 8)
          writeFileSync(join(folder, 'segments', name), bytes)
        }
        const { result, logged } = await readOnce(root, folder)
        assert.equal(result.reused, 0)
        assert.equal(logged.filter((line) => line.includes('not a segment of this version')).length, 3)
      }
      assert.equal((await readOnce(root, folder)).result.reused, 3)
    })
  })

  describe('that is damaged', () => {
    it('in keys that are first used by a question is read again, and then the question is answered', async () => {
      const [root, folder] = [workspace(three), newFolder()]
      await readOnce(root, folder)
      const whole = await TestMemory.open(root, folder)
      await whole.read()
      const options = { top: 3, signals: 'all', rerank: false, rarity: true } as const
      const ask = (of: TestMemory) => recall(of.memory, 'Where is beta?', options, of.options())
      const expected = await ask(whole)
      await whole.close()
      for (const name of segmentsIn(folder)) {
        const bytes = readFileSync(join(folder, 'segments', name))
        bytes[bytes.length - 100]! ^= 4
        writeFileSync(join(folder, 'segments', name), bytes)
      }
      const damaged = await TestMemory.open(root, folder)
      assert.equal((await damaged.read()).tokensRead, 0)
      await rejects(ask(damaged), 'bad-segment')
      assert.ok(await damaged.memory.repair(damaged.options()))
      assert.deepEqual((await ask(damaged)).units, expected.units)
      assert.ok(!(await damaged.memory.repair(damaged.options())))
      await damaged.close()
      const addon = (await randomModel()).addon
      const folderNow = await MemoryFolder.open(folder)
      assert.deepEqual(await verify(addon, folderNow, { repair: false }), { whole: 3, damaged: [] })
    })
  })

  describe('that cannot be written', () => {
    it('goes on in the process, with one clear line', async function () {
      const disk = smallDisk(600_000)
      if ('skipped' in disk) return this.skip()
      const root = workspace(
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}.py`, python(`f${i}`, 60)])),
      )
      const folder = join(disk.folder, 'memory')
      const opened = await TestMemory.open(root, folder)
      const { files } = await opened.read()
      assert.equal(files, 40)
      assert.equal(opened.logged.length, 1, opened.logged.join('\n'))
      assert.match(opened.logged[0]!, /No space left.*Free some space.*Reading goes on/)
      assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
      await opened.close()
      // What had room is whole.
      const { addon } = await randomModel()
      const verified = await verify(addon, await MemoryFolder.open(folder), { repair: false })
      assert.ok(verified.whole > 0 && verified.damaged.length === 0)
      rmSync(join(root, 'f1.py'))
      readOnly(disk.folder)
      const frozen = await TestMemory.open(root, folder)
      const result = await frozen.read()
      assert.equal(result.files, 39)
      assert.ok(result.reused > 0)
      assert.equal(frozen.logged.length, 1, frozen.logged.join('\n'))
      assert.match(frozen.logged[0]!, /read-only.*Reading goes on/)
    })
  })

  describe('is pruned', () => {
    it('of what was used longest ago, never of what an open workspace needs', async () => {
      const { addon } = await randomModel()
      const folder = newFolder()
      const [old, open] = [workspace({ 'old.py': python('old', 9) }), workspace(three)]
      await readOnce(old, folder)
      age(folder)
      const opened = await TestMemory.open(open, folder)
      await opened.read()
      const memory = await MemoryFolder.open(folder)
      const { removed, kept } = await prune(addon, memory, { limit: 0 })
      assert.deepEqual([removed, kept], [1, 3])
      assert.equal((await readOnce(open, folder)).result.tokensRead, 0)
      await opened.close()
      assert.equal((await prune(addon, memory, { limit: 0 })).kept, 0)
      assert.equal((await readOnce(open, folder)).result.reused, 0)
    })

    it('of older versions and of folders that are gone, when asked', async () => {
      const { addon } = await randomModel()
      const [root, gone, folder] = [workspace(three), workspace({ 'x.py': python('gone') }), newFolder()]
      await readOnce(gone, folder)
      await readOnce(root, folder)
      put(root, { 'a.py': python('newer') })
      await readOnce(root, folder)
      rmSync(gone, { recursive: true })
      const memory = await MemoryFolder.open(folder)
      assert.equal((await inventory(addon, memory)).unnamed.segments, 1)
      const { removed, kept } = await prune(addon, memory, { limit: Infinity, unused: true })
      assert.deepEqual([removed, kept], [2, 3])
      assert.deepEqual(
        (await inventory(addon, memory)).workspaces.map((one) => one.root),
        [root],
      )
    })

    it('by itself when it has grown beyond its size', async () => {
      const folder = newFolder()
      await readOnce(workspace({ 'old.py': python('old', 9) }), folder)
      age(folder)
      const opened = await TestMemory.open(workspace(three), folder, 1)
      await opened.read()
      await opened.close()
      assert.equal(segmentsIn(folder).length, 3)
    })
  })

  describe('that is larger than memory', () => {
    /** KiB of mapped segments that are resident now, beyond the first page of each, which is no key. */
    const residentKeys = (): number => {
      const [, ...mappings] = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
      const mapped = mappings.filter((mapping) => /\.segment$/m.test(mapping))
      assert.ok(mapped.length >= 3)
      return mapped.reduce((sum, mapping) => sum + Math.max(0, Number(/^Rss:\s+(\d+)/m.exec(mapping)?.[1]) - 4), 0)
    }

    it('gives keys back once they were used, and scores the same', async () => {
      const [root, folder] = [workspace({ ...three, 'long.py': python('long', 400) }), newFolder()]
      await readOnce(root, folder)
      const { memory, ...opened } = await TestMemory.open(root, folder).then((test) => ({
        memory: test.memory,
        options: test.options(),
        read: () => test.read(),
      }))
      await opened.read()
      const ask = async () =>
        (
          await recall(
            memory,
            'Where is it?',
            { top: 9, signals: 'attention', rerank: false, rarity: true },
            opened.options,
          )
        ).units
      const before = await ask()
      const kept = residentKeys()
      memory.store.keepResident(0)
      assert.deepEqual(await ask(), before)
      assert.ok(residentKeys() < kept, `${residentKeys()} KiB are resident, before ${kept}`)
    })
  })

  describe('is cleared', () => {
    it('of one workspace, without what others share, and not while it is open', async () => {
      const { addon } = await randomModel()
      const folder = newFolder()
      const [one, other] = [workspace({ ...three, 'own.py': python('own') }), workspace(three)]
      await readOnce(other, folder)
      const opened = await TestMemory.open(one, folder)
      await opened.read()
      const memory = await MemoryFolder.open(folder)
      assert.match(await rejects(clear(addon, memory, one), 'usage'), /is open/)
      await opened.close()
      assert.deepEqual(await clear(addon, memory, one), { removed: 1 })
      assert.equal((await readOnce(other, folder)).result.tokensRead, 0)
      await clear(addon, memory)
      assert.deepEqual(segmentsIn(folder), [])
    })
  })

  describe('forgets', () => {
    const secret = `key = "AKIA${'Z7QX3MN5'.repeat(2)}"\n`

    it('every version of a file that becomes ignored, also between two runs', async () => {
      const [root, folder] = [workspace(three), newFolder()]
      await readOnce(root, folder)
      put(root, { 'a.py': python('second') })
      await readOnce(root, folder)
      assert.equal(segmentsIn(folder).length, 4)
      put(root, { '.gitignore': 'a.py\n' })
      const { result } = await readOnce(root, folder)
      assert.equal(result.files, 3)
      assert.equal(segmentsIn(folder).length, 3)
    })

    it('a file that gains a secret, from memory and disk', async () => {
      const [root, folder] = [workspace(three), newFolder()]
      const opened = await TestMemory.open(root, folder)
      await opened.read()
      put(root, { 'a.py': python('alpha') + secret })
      await opened.update({ file: 'a.py' })
      assert.deepEqual(opened.memory.files(), ['b.py', 'c/d.md'])
      assert.equal(segmentsIn(folder).length, 2)
      // And it comes back when the secret is gone.
      put(root, { 'a.py': python('alpha') })
      await opened.update({ file: 'a.py' })
      assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
      await opened.close()
    })

    it('what a scan finds, and only tells when asked to', async () => {
      const { addon } = await randomModel()
      const [root, folder] = [workspace(three), newFolder()]
      await readOnce(root, folder)
      put(root, { '.gitignore': 'b.py\n', 'a.py': python('alpha') + secret })
      const memory = await MemoryFolder.open(folder)
      const told = await scan(addon, memory, { remove: false })
      assert.deepEqual(
        told.found.map(({ file, reason }) => [file, reason.split(':')[0]]),
        [
          ['b.py', 'ignored by .gitignore'],
          ['a.py', 'secret'],
        ],
      )
      assert.equal(segmentsIn(folder).length, 3)
      assert.equal((await scan(addon, memory, { remove: true })).found.length, 2)
      assert.equal(segmentsIn(folder).length, 1)
      assert.deepEqual((await scan(addon, memory, { remove: true })).found, [])
    })

    it('but not what another workspace holds rightly', async () => {
      const folder = newFolder()
      const [one, other] = [workspace(three), workspace(three)]
      await readOnce(one, folder)
      await readOnce(other, folder)
      put(one, { '.gitignore': 'a.py\n' })
      await readOnce(one, folder)
      assert.equal((await readOnce(other, folder)).result.tokensRead, 0)
    })
  })
})
