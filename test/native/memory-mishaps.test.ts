/** What people and other programs do to a memory that is in use, and to the folder that it remembers. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { MemoryFolder, summariesIn } from '../../extension/store/folder'
import { clear } from '../../extension/store/inventory'
import { writeManifest } from '../../extension/store/manifest'
import { prune } from '../../extension/store/prune'
import { longread } from '../support/command'
import { cleanRead, contents, differences, randomModel, TestMemory } from '../support/memory'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

const three = { 'a.py': python('alpha'), 'b.py': python('beta'), 'c/d.md': '# Delta\n\nSome words.\n' }
const many = (count: number, what = 'function') =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${i % 3}/f${i}.py`, python(`${what}_${i}`, 20)]))
const newFolder = () => join(temporaryFolder(), 'memory')
const segmentsIn = (folder: string): string[] =>
  readdirSync(join(folder, 'segments'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.segment'),
  )

async function readOnce(root: string, folder: string) {
  const opened = await TestMemory.open(root, folder)
  const result = await opened.read()
  await opened.close()
  return { ...result, logged: opened.logged }
}

/** As if everything kept had last been used an hour ago, so that only what names it protects it. */
function age(folder: string): void {
  const then = new Date(Date.now() - 3_600_000)
  for (const name of segmentsIn(folder)) utimesSync(join(folder, 'segments', name), then, then)
}

describe('a memory folder', () => {
  it('that others could look into is closed to them', async () => {
    const folder = newFolder()
    mkdirSync(folder)
    chmodSync(folder, 0o777)
    await readOnce(workspace(three), folder)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
  })

  it('of another user is not used, which is told once, and reading goes on', async function () {
    if (process.geteuid?.() !== 0 || !process.seteuid) return this.skip()
    const [folder, root] = [newFolder(), workspace(three)]
    await readOnce(root, folder)
    for (const each of [join(folder, '..'), root, join(root, 'c')]) chmodSync(each, 0o755)
    for (const mode of [0o700, 0o755, 0o777]) {
      chmodSync(folder, mode)
      process.seteuid(65534)
      try {
        const { files, reused, logged } = await readOnce(root, folder)
        assert.deepEqual([files, reused], [3, 0])
        assert.equal(logged.length, 1, logged.join('\n'))
        assert.match(logged[0]!, /belongs to another user.*Reading goes on/)
      } finally {
        process.seteuid(0)
      }
    }
    chmodSync(folder, 0o700)
    assert.equal((await readOnce(root, folder)).reused, 3)
  })

  it('with a lock of another user is used, without the protection of the lock', async function () {
    if (process.geteuid?.() !== 0 || !process.seteuid) return this.skip()
    const [parent, root] = [temporaryFolder(), workspace(three)]
    for (const each of [parent, root, join(root, 'c')]) chmodSync(each, 0o777)
    const folder = join(parent, 'memory')
    process.seteuid(65534)
    try {
      await readOnce(root, folder)
      const [lock] = readdirSync(join(folder, 'workspaces')).filter((name) => name.endsWith('.lock'))
      process.seteuid(0)
      rmSync(join(folder, 'workspaces', lock!))
      writeFileSync(join(folder, 'workspaces', lock!), '', { mode: 0o600 })
      process.seteuid(65534)
      const { reused, logged } = await readOnce(root, folder)
      assert.equal(reused, 3)
      assert.equal(logged.length, 1, logged.join('\n'))
      assert.match(logged[0]!, /lock could not be written/)
    } finally {
      process.seteuid(0)
    }
  })

  it('that is removed while it is used is made again, with what is read from then on', async () => {
    const [root, folder] = [workspace(many(12)), newFolder()]
    const opened = await TestMemory.open(root, folder)
    let held = 0
    const { files } = await opened.read({
      onHeld: () => {
        if (++held === 5) rmSync(folder, { recursive: true })
      },
    })
    assert.equal(files, 12)
    await opened.close()
    assert.deepEqual(opened.logged, [])
    const { reused } = await readOnce(root, folder)
    assert.ok(reused >= 6, `${reused} files`)
    assert.ok(existsSync(join(folder, 'CACHEDIR.TAG')))
    for (const name of ['', 'segments', 'workspaces', 'aside'])
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o700)
  })

  it('whose list of a workspace is of a newer format is read again from its segments', async () => {
    const [root, folder] = [workspace(three), newFolder()]
    await readOnce(root, folder)
    const [name] = readdirSync(join(folder, 'workspaces')).filter((one) => one.endsWith('.manifest'))
    const manifest = join(folder, 'workspaces', name!)
    const text = readFileSync(manifest, 'utf8')
    assert.ok(text.startsWith('longread manifest 1 '))
    writeFileSync(manifest, text.replace('manifest 1 ', 'manifest 2 '))
    const { reused, logged } = await readOnce(root, folder)
    assert.equal(reused, 3)
    assert.equal(logged.length, 1)
    assert.match(logged[0]!, /of another version; it is made anew/)
    assert.deepEqual((await readOnce(root, folder)).logged, [])
  })

  it('keeps what summaries quote no longer than the files', async () => {
    const [root, folder] = [workspace(three), newFolder()]
    const summary = join(summariesIn(folder), 'x.json')
    const summarised = () => {
      mkdirSync(summariesIn(folder), { recursive: true })
      writeFileSync(summary, '[]')
    }
    await readOnce(root, folder)
    summarised()
    await readOnce(root, folder)
    assert.ok(existsSync(summary))
    put(root, { '.gitignore': 'a.py\n' })
    await readOnce(root, folder)
    assert.ok(!existsSync(summary), 'a file became ignored')
    summarised()
    await clear((await randomModel()).addon, await MemoryFolder.open(folder), root)
    assert.ok(!existsSync(summary), 'the workspace was cleared')
  })

  it('is cleared by the command, of one folder or whole', async () => {
    const [root, other, folder] = [workspace(three), workspace({ 'x.py': python('other') }), newFolder()]
    await readOnce(root, folder)
    await readOnce(other, folder)
    const command = (...args: string[]) => longread('memory', ...args, '--memory', folder)
    assert.match((await command('clear', root)).stdout, /^3 segments removed/)
    assert.match((await command('list')).stdout, /1 segment,/)
    assert.match((await command('clear')).stdout, /^1 segment removed/)
    assert.match((await command('list')).stdout, /0 segments,/)
  })
})

describe('a memory that knows of very many files elsewhere', () => {
  it('looks at a folder with files that are left out as quickly as ever', async () => {
    const [root, folder] = [workspace(three), newFolder()]
    put(
      root,
      Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`made${i}.js`, `// @generated\nlet a = ${i}\n`])),
    )
    const naming = { version: 1, model: 'm', profile: 'p', breadcrumbs: true }
    const files = Object.fromEntries(
      Array.from({ length: 50_000 }, (_, i) => [
        `package${i % 500}/src/file${i}.ts`,
        { name: i.toString(16).padStart(64, '0'), tokens: 1, units: 1 },
      ]),
    )
    const elsewhere = { root: '/elsewhere', naming, asOf: Date.now(), files }
    await writeManifest(await MemoryFolder.open(folder), 'elsewhere', elsewhere)
    const started = performance.now()
    const { skipped } = await readOnce(root, folder)
    // Reading what is known of elsewhere takes some 300 ms on two busy processors; 60 times it was 20 s.
    assert.ok(performance.now() - started < 8000, `${performance.now() - started} ms`)
    assert.equal(skipped.filter(({ reason }) => reason.startsWith('generated')).length, 60)
  })
})

describe('two processes on one workspace', () => {
  const both = async () => {
    const [root, folder] = [workspace(three), newFolder()]
    const [a, b] = [await TestMemory.open(root, folder), await TestMemory.open(root, folder)]
    await a.read()
    await b.read()
    return { root, folder, a, b }
  }

  it('keep what both need, whoever wrote last what is held', async () => {
    const { root, folder, a, b } = await both()
    put(root, { 'a.py': python('edited'), 'new.py': python('brand_new') })
    await a.update({ file: 'a.py' }, { file: 'new.py' })
    await a.read()
    put(root, { 'b.py': python('edited, too') })
    await b.update({ file: 'b.py' })
    await b.close()
    age(folder)
    // The first still has it open, and the list is the second's.
    const { addon } = await randomModel()
    await prune(addon, await MemoryFolder.open(folder), { limit: 0 })
    await a.close()
    const { tokensRead, files } = await readOnce(root, folder)
    assert.deepEqual([files, tokensRead], [4, 0])
  })

  it('forget what becomes ignored later, also where the other alone had read it', async () => {
    const { root, folder, a, b } = await both()
    put(root, { 'new.py': python('brand_new') })
    await a.update({ file: 'new.py' })
    await a.close()
    put(root, { 'b.py': python('edited') })
    await b.update({ file: 'b.py' })
    await b.close()
    assert.equal(segmentsIn(folder).length, 5)
    put(root, { '.gitignore': 'new.py\n' })
    await readOnce(root, folder)
    // The file of rules was read instead.
    assert.equal(segmentsIn(folder).length, 5)
    const command = await longread('memory', 'scan', '--memory', folder, '--json')
    assert.deepEqual((JSON.parse(command.stdout) as { found: unknown[] }).found, [])
  })

  it('name no more versions of a file than they can hold, however often it is saved', async () => {
    const { root, folder, a, b } = await both()
    for (let i = 0; i < 12; i++) {
      put(root, { 'a.py': python(`version_${i}`, 2) })
      const one = i % 2 === 0 ? a : b
      await one.update({ file: 'a.py' })
      await one.read()
    }
    await a.close()
    await b.close()
    const [name] = readdirSync(join(folder, 'workspaces')).filter((one) => one.endsWith('.manifest'))
    const text = readFileSync(join(folder, 'workspaces', name!), 'utf8')
    const { also } = JSON.parse(text.slice(text.indexOf('\n'))) as { also: Record<string, string[]> }
    assert.ok((also['a.py']?.length ?? 0) <= 8)
    await readOnce(root, folder)
    const alone = readFileSync(join(folder, 'workspaces', name!), 'utf8')
    assert.deepEqual((JSON.parse(alone.slice(alone.indexOf('\n'))) as { also: unknown }).also, {})
  })
})

describe('a workspace', () => {
  it('whose branch is switched in the middle of reading is held as it is in the end', async () => {
    const root = workspace(many(30, 'main'))
    const opened = await TestMemory.open(root, newFolder())
    let held = 0
    const { files, skipped } = await opened.read({
      onHeld: () => {
        if (++held !== 7) return
        rmSync(join(root, 'd2'), { recursive: true })
        put(root, { 'd0/f0.py': python('branch'), 'only/branch.py': python('only'), d2: 'now a file\n' })
      },
    })
    assert.ok(files < 30)
    assert.ok(skipped.every(({ file, reason }) => file.startsWith('d2/') && reason === 'gone while reading'))
    await opened.read()
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
    await opened.close()
  })

  it('that goes away while it is read, and comes back, is held without being read again', async () => {
    const [root, folder] = [workspace(many(30)), newFolder()]
    const away = `${root}-away`
    const opened = await TestMemory.open(root, folder)
    let held = 0
    const { files } = await opened.read({
      onHeld: () => {
        if (++held === 5) renameSync(root, away)
      },
    })
    assert.equal(files, 5)
    await rejects(opened.read(), 'no-folder')
    await rejects(opened.update({ file: 'f1.py' }), 'no-folder')
    renameSync(away, root)
    const { files: all, reused } = await opened.read()
    assert.deepEqual([all, reused], [30, 5])
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
    await opened.close()
  })

  it('knows a file by its new name when only the case of a letter has changed', async () => {
    const root = workspace(three)
    const opened = await TestMemory.open(root, newFolder())
    await opened.read()
    renameSync(join(root, 'a.py'), join(root, 'A.py'))
    await opened.update({ file: 'a.py' }, { file: 'A.py' })
    assert.deepEqual(opened.memory.files(), ['A.py', 'b.py', 'c/d.md'])
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
    await opened.close()
  })
})
