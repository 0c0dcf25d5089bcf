/** What happens while people work: saving, renaming, typing, switching branches, asking while there is still much to read. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EngineClient } from '../../extension/engine/client'
import { createHandlers } from '../../extension/engine/handlers'
import type { CallTools, EngineHandlers } from '../../extension/engine/handlers-type'
import type { RecallRequest, StreamRequest } from '../../extension/protocol/types'
import { recall, textOf } from '../../extension/recall/recall'
import { cleanRead, contents, differences, TestMemory } from '../support/memory'
import { tinyProfile, writeRandomModel } from '../support/tiny-model'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}.py`, python(`function_${i}`, 40)]))

const lexical = { top: 3, signals: 'lexical', rerank: false, rarity: true } as const

/** Where a question's words are found. */
async function finds(opened: TestMemory, question: string): Promise<string | undefined> {
  const { units } = await recall(opened.memory, question, lexical, opened.options())
  return units[0]?.file
}

describe('a memory while people work', () => {
  it('reads a saved file alone, and what was deleted is gone', async () => {
    const root = workspace(many(6))
    const opened = await TestMemory.open(root, null)
    await opened.read()
    put(root, { 'f3.py': python('changed') })
    rmSync(join(root, 'f4.py'))
    const { files, missing } = await opened.update({ file: 'f3.py' }, { file: 'f4.py' })
    assert.deepEqual([files, missing.files], [1, 0])
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
  })

  it('finds a saved file by its words, and by attention what did not change in it, before it is read', async () => {
    const root = workspace({ 'a.py': python('alpha', 12) + '\n\n' + python('beta', 12), 'b.py': python('gamma') })
    const opened = await TestMemory.open(root, null)
    await opened.read()
    const before = await contents(opened.memory)
    put(root, { 'a.py': python('alpha', 12) + '\n\n' + python('zeppelin', 12), 'new.py': python('submarine', 12) })
    const abort = new AbortController()
    const giveWay = () => {
      abort.abort()
      return Promise.resolve()
    }
    // The model never gets to it.
    const turn = { interrupted: abort.signal, giveWay }
    const cancelled = opened.memory.update(
      [{ file: 'a.py' }, { file: 'new.py' }],
      opened.options({ turn, signal: abort.signal }),
    )
    await assert.rejects(cancelled)
    assert.equal(opened.memory.missing().files, 2)
    assert.equal(await finds(opened, 'where is the zeppelin'), 'a.py')
    assert.equal(await finds(opened, 'where is the submarine'), 'new.py')
    // The unit that did not change has the keys it had.
    const [alpha, zeppelin] = [0, 1].map((unit) => opened.memory.store.get('a.py').pick(Int32Array.of(unit)))
    assert.ok(alpha!.tokens > 0)
    assert.equal(zeppelin!.tokens, 0)
    await opened.read()
    const after = await contents(opened.memory)
    assert.deepEqual(differences(after, await cleanRead(root)), [])
    assert.ok(after.get('b.py')!.bytes.equals(before.get('b.py')!.bytes))
  })

  it('keeps what it can of a renamed file until it is read under its new name', async () => {
    const root = workspace({ 'old.py': python('alpha', 12), 'b.py': python('beta') })
    const opened = await TestMemory.open(root, null)
    await opened.read()
    renameSync(join(root, 'old.py'), join(root, 'new.py'))
    const abort = new AbortController()
    const giveWay = () => {
      abort.abort()
      return Promise.resolve()
    }
    const turn = { interrupted: abort.signal, giveWay }
    await assert.rejects(
      opened.memory.update([{ file: 'old.py' }, { file: 'new.py' }], opened.options({ turn, signal: abort.signal })),
    )
    assert.deepEqual(opened.memory.files(), ['b.py', 'new.py'])
    assert.ok(opened.memory.store.get('new.py').tokens > 0)
    await opened.read()
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
  })

  it('knows unsaved text, and never writes it to disk', async () => {
    const root = workspace({ 'a.py': python('alpha'), 'b.py': python('beta') })
    const folder = join(temporaryFolder(), 'memory')
    const segments = () =>
      readdirSync(join(folder, 'segments'), { recursive: true }).filter((name) => String(name).endsWith('.segment'))
        .length
    const opened = await TestMemory.open(root, folder)
    await opened.read()
    await opened.update(
      { file: 'a.py', text: python('unsaved_zeppelin') },
      { file: 'never/saved.py', text: python('submarine') },
    )
    assert.equal(await finds(opened, 'zeppelin'), 'a.py')
    assert.equal(await finds(opened, 'submarine'), 'never/saved.py')
    assert.equal(opened.memory.unsaved('a.py'), python('unsaved_zeppelin'))
    assert.equal(segments(), 2)
    // A look at the disk does not take it away.
    await opened.read()
    assert.equal(await finds(opened, 'zeppelin'), 'a.py')
    await opened.update({ file: 'a.py', text: null }, { file: 'never/saved.py', text: null })
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
    // Saved as it was typed, it is kept without being read again.
    await opened.update({ file: 'a.py', text: python('typed') })
    put(root, { 'a.py': python('typed') })
    assert.equal((await opened.update({ file: 'a.py' })).files, 0)
    assert.equal(segments(), 3)
    await opened.close()
  })

  it('holds no text that is typed in a file whose name says that it is a secret', async () => {
    const opened = await TestMemory.open(workspace({ 'a.py': python('alpha') }), null)
    await opened.read()
    const { skipped } = await opened.update(
      { file: '.env', text: 'COLOUR=blue\n' },
      { file: 'id_rsa', text: 'words\n' },
    )
    assert.deepEqual(opened.memory.files(), ['a.py'])
    assert.deepEqual(skipped, [])
  })

  it('reads after a branch switch only contents that it never saw', async () => {
    const [root, folder] = [workspace(many(6)), join(temporaryFolder(), 'memory')]
    const opened = await TestMemory.open(root, folder)
    await opened.read()
    const switchTo = (files: Readonly<Record<string, string>>) => {
      put(root, files)
      return opened.update(...Object.keys(files).map((file) => ({ file })))
    }
    const other = { 'f1.py': python('other_1'), 'f2.py': python('other_2') }
    assert.equal((await switchTo(other)).files, 2)
    const main = many(3)
    assert.equal((await switchTo(main)).files, 0)
    assert.equal((await switchTo(other)).files, 0)
    await opened.close()
  })

  it('looks for all files when the first that it hears of is a saved one, and the others wait', async () => {
    const opened = await TestMemory.open(workspace(many(4)), null)
    const { files, missing, held } = await opened.update({ file: 'f2.py' })
    assert.deepEqual([files, missing.files, held.files], [1, 3, 1])
  })

  it('gives a new file that is not read yet no attention, neither more nor less than a middling one', async () => {
    const root = workspace(many(6))
    const opened = await TestMemory.open(root, null)
    await opened.read()
    const question = 'where is function_3'
    const attention = { ...lexical, signals: 'attention', top: 100 } as const
    const before = await recall(opened.memory, question, attention, opened.options())
    const abort = new AbortController()
    const turn = {
      interrupted: abort.signal,
      giveWay: () => {
        abort.abort()
        return Promise.resolve()
      },
    }
    put(root, { 'new.py': python('function_3', 40) })
    await assert.rejects(opened.memory.update([{ file: 'new.py' }], opened.options({ turn, signal: abort.signal })))
    const after = await recall(opened.memory, question, attention, opened.options())
    const isNew = ({ file }: { file: string }) => file === 'new.py'
    assert.ok(after.units.some(isNew))
    for (const { score } of after.units.filter(isNew)) assert.ok(Math.abs(score) < 1e-5)
    const order = (units: typeof after.units) => units.map(({ file, startLine }) => `${file}:${startLine}`)
    assert.deepEqual(order(after.units.filter((unit) => !isNew(unit))), order(before.units))
  })

  it('reads what is open first, then what was changed last', async () => {
    const root = workspace(many(5))
    for (let i = 0; i < 5; i++) utimesSync(join(root, `f${i}.py`), 1000 + i, 1000 + i)
    const opened = await TestMemory.open(root, null)
    const order: string[] = []
    await opened.read({ first: ['f2.py', 'f0.py'], onHeld: (file) => void order.push(file) })
    assert.deepEqual(order, ['f2.py', 'f0.py', 'f4.py', 'f3.py', 'f1.py'])
  })
})

describe('the engine while a workspace is read', () => {
  let handlers: EngineHandlers
  let request: StreamRequest

  const tools = (extra: Partial<CallTools> = {}): CallTools => ({
    signal: new AbortController().signal,
    progress: () => undefined,
    text: () => undefined,
    log: () => undefined,
    ...extra,
  })

  before(() => {
    const folder = temporaryFolder()
    const profile = join(folder, 'profile.json')
    writeFileSync(profile, JSON.stringify(tinyProfile))
    const model = writeRandomModel(join(folder, 'random.gguf'))
    const root = workspace(many(80))
    request = { root, model, profile, memory: null, weights: 'file', device: 'cpu', threads: 1, breadcrumbs: true }
    handlers = createHandlers({ log: () => undefined, device: () => undefined })
  })

  after(() => handlers.dispose?.())

  it('answers a question at once from what is held, says what is not, and reads next what the question names', async () => {
    const ask = {
      ...request,
      ...lexical,
      now: true,
      questions: ['where is function_7 in f7.py'],
    } satisfies RecallRequest
    const heard: string[] = []
    let asked: Promise<void> | undefined
    const progress: CallTools['progress'] = ({ phase, done, detail }) => {
      if (phase !== 'read' || done === 0) return
      if (detail !== undefined && heard.at(-1) !== detail) heard.push(detail)
      if (heard.length < 2) return
      asked ??= handlers.recall(ask, tools()).then(([result]) => {
        const { files = 0, first = [] } = result?.missing ?? {}
        assert.ok(files > 0 && files < 80, `${files} files are missing`)
        assert.equal(first.length, Math.min(5, files))
      })
    }
    const { files, reused } = await handlers.stream(request, tools({ progress }))
    assert.deepEqual([files, reused], [80, 0])
    assert.ok(asked)
    await asked
    const [result] = await handlers.recall(ask, tools())
    assert.equal(result?.missing, undefined)
    assert.equal(result?.units[0]?.file, 'f7.py')
  })

  it('shows what is held while it reads, without waiting for it', async () => {
    const root = workspace({ ...many(80), 'web/page.py': python('page') })
    const looked: Promise<unknown>[] = []
    const own = { ...request, root }
    assert.deepEqual(await handlers.folder({ ...own, folder: '', from: 0 }, tools()), {
      folders: [],
      files: [],
      more: 0,
    })
    let ended = false
    const heard = new Set<string>()
    const progress: CallTools['progress'] = ({ phase, done, detail }) => {
      if (phase !== 'read' || done === 0 || looked.length > 0 || heard.add(detail ?? '').size < 3) return
      const look = async () => {
        const { files } = await handlers.folder({ ...own, folder: '', from: 0 }, tools())
        const [first] = files
        assert.ok(first !== undefined && files.length < 80)
        const [unit] = await handlers.units({ ...own, file: first.name }, tools())
        assert.deepEqual(
          await handlers.texts({ ...own, files: [first.name, 'gone.py', '../../etc/passwd'] }, tools()),
          [readFileSync(join(root, first.name), 'utf8'), '', ''],
        )
        const [mention] = await handlers.complete({ ...own, text: unit?.symbol ?? '' }, tools())
        assert.deepEqual([mention?.kind, mention?.file], ['symbol', first.name])
        assert.equal(ended, false)
      }
      looked.push(look())
    }
    await handlers.stream(own, tools({ progress }))
    ended = true
    assert.equal(looked.length, 1)
    await Promise.all(looked)
    const { folders, files } = await handlers.folder({ ...own, folder: '', from: 0 }, tools())
    assert.deepEqual([folders.map(({ name, files: count }) => [name, count]), files.length], [[['web', 1]], 80])
  })

  it('reads a file before a question that is to be answered now where nothing is held, the one that it names', async () => {
    const root = workspace(many(30))
    const ask = { ...request, root, ...lexical, now: true, questions: ['where is function_7 in f7.py'] } as const
    const [result] = await handlers.recall(ask, tools())
    assert.equal(result?.units[0]?.file, 'f7.py')
    assert.equal(result.missing?.files, 29)
  })

  it('survives that what it has mapped is cut under its hands: it starts again, and reads that again', async () => {
    const memory = join(temporaryFolder(), 'memory')
    const root = workspace(many(4))
    const notices: string[] = []
    const logged: string[] = []
    const client = new EngineClient({
      onNotice: (message) => notices.push(message),
      onLog: (level, message) => void (level === 'warn' && logged.push(message)),
    })
    try {
      const ask = { ...request, root, memory, ...lexical, signals: 'all', questions: ['where is function_2'] } as const
      const first = new EngineClient()
      await first.call('stream', ask)
      await first.dispose()
      assert.equal((await client.call('stream', ask)).tokensRead, 0)
      const segments = join(memory, 'segments')
      for (const name of readdirSync(segments, { recursive: true, encoding: 'utf8' }))
        if (name.endsWith('.segment')) truncateSync(join(segments, name), 4096)
      const [result] = await client.call('recall', ask)
      assert.equal(result?.units.length, 3)
      assert.equal(notices.length, 1)
      assert.equal(logged.filter((line) => line.includes('is cut or damaged')).length, 4)
    } finally {
      await client.dispose()
    }
  })

  it('knows what was typed before a question, though another one is being answered', async () => {
    const own = { ...request, root: workspace(many(6)) }
    await handlers.stream(own, tools())
    const ask = (question: string) => handlers.recall({ ...own, ...lexical, questions: [question] }, tools())
    const update = (text: string | null) => handlers.update({ ...own, changes: [{ file: 'f3.py', text }] }, tools())
    const first = ask('where is function_1')
    const typed = update(python('submarine'))
    const [found] = await ask('where is the submarine')
    assert.equal(found?.units[0]?.file, 'f3.py')
    await Promise.all([first, typed])
    const second = ask('where is function_1')
    const undone = update(null)
    const [again] = await ask('where is function_3')
    assert.equal(again?.units[0]?.file, 'f3.py')
    await Promise.all([second, undone])
  })

  it('reads a saved file before the rest', async () => {
    const root = workspace(many(80))
    let updated: Promise<void> | undefined
    const progress: CallTools['progress'] = ({ phase, done }) => {
      if (phase !== 'read' || done === 0 || updated) return
      put(root, { 'saved.py': python('saved', 20) })
      updated = handlers.update({ ...request, root, changes: [{ file: 'saved.py' }] }, tools()).then((result) => {
        assert.equal(result.files, 1)
        assert.ok(result.missing.files > 0)
      })
    }
    const { files } = await handlers.stream({ ...request, root }, tools({ progress }))
    await updated
    assert.equal(files, 81)
  })
})

describe('a memory that somebody watches', () => {
  it('does not look at its files again, but for what it is told and unless it never did', async () => {
    const root = workspace({ 'a.py': python('first') })
    const opened = await TestMemory.open(root, null)
    assert.equal((await opened.read({ watched: true })).files, 1)
    put(root, { 'b.py': python('second') })
    assert.equal((await opened.read({ watched: true })).files, 1)
    await opened.update({ file: 'b.py' })
    assert.equal((await opened.read({ watched: true })).files, 2)
    put(root, { 'c.py': python('third') })
    assert.equal((await opened.read()).files, 3)
  })
})

describe('the text of a unit', () => {
  it('is not given once it holds a secret, whether it is read yet or units of an older reading stand in', async () => {
    const root = workspace({ 'a.py': python('first'), 'b.py': python('second') })
    const opened = await TestMemory.open(root, null)
    await opened.read()
    const { memory } = opened
    assert.equal(await textOf(memory, 'a.py'), python('first'))
    assert.equal(memory.isRead('a.py', python('first')), true)
    // Put together here, so that nothing in this file looks like one.
    const secret = `key = "${['ghp', 'aB3dE5gH7jK9mN2pQ4sT6vW8yZ1cF0xLaB3d'].join('_')}"\n${python('first')}`
    put(root, { 'a.py': secret })
    assert.equal(await textOf(memory, 'a.py'), '')
    await memory.look(opened.options())
    assert.equal(memory.isRead('a.py', secret), false)
    assert.equal(await textOf(memory, 'a.py'), '')
    assert.equal(await textOf(memory, 'b.py'), python('second'))
  })
})
