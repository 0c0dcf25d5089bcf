/** A repository as one stream in InfLLM's memory, with a tiny model: what is laid out, when it is read again, what answers tell. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { NativeModel, UnitCandidates } from '../../extension/engine/addon'
import { askedReading, memoryReadingOf, type MemoryReadingFlags } from '../../extension/cli/memory-reading'
import { layOutRepository, unitAt, type LaidOutUnit } from '../../extension/infllm/layout'
import type { Order } from '../../extension/infllm/lookup'
import { MemoryStream } from '../../extension/infllm/memory-stream'
import { paper, settingsOf, unlikePaper, usualParameters } from '../../extension/infllm/parameters'
import type { LoadedModel } from '../../extension/recall/loaded'
import type { EarlierTurn, Progress } from '../../extension/protocol/types'
import { hasCode } from '../../extension/store/folder'
import { forgetStreams } from '../../extension/store/streams'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { loadRandomModel } from '../support/tiny-model'
import { put, python, workspace } from '../support/workspace'

const files: Readonly<Record<string, string>> = {
  'a.py': 'def first(a, b):\n    """Adds."""\n    return a + b\n\n\ndef second(a):\n    return first(a, a)\n',
  'b/c.ts': 'export function third(x: number): number {\n  return x * 3\n}\n\nexport const four = 4\n',
  'readme.md': '# A title\n\nSome words about it.\n\n## Another\n\nMore words.\n',
}

const repository = (): string => workspace(files)

/** One token a character, and one before every text. */
const codes = (text: string): Int32Array => Int32Array.from(text, (character) => character.charCodeAt(0))
const textOf = (tokens: Int32Array): string => String.fromCharCode(...tokens)
const letters = {
  info: () => ({ beginToken: 1 }),
  tokenizeMany: (parts: readonly string[]) =>
    Promise.resolve({ tokens: codes(parts.join('')), counts: Uint32Array.from(parts, ({ length }) => length) }),
} as unknown as NativeModel

const silent = { signal: new AbortController().signal, progress: () => undefined, text: () => undefined }
const layOutOptions = { ...silent, breadcrumbs: true, order: 'names', log: () => undefined } as const
const laidOut = (model: NativeModel, root: string, before: Int32Array = new Int32Array(), order: Order = 'names') =>
  layOutRepository(model, root, { ...layOutOptions, before, order })
const parameters = { nInit: 4, nLocal: 24, blockSize: 16, topk: 9, reprTopk: 2, maxCachedBlock: 9, excBlockSize: 12 }
const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: 5 }
const asked = { sampling, choose: 'layers', lookUps: 'each', twice: false } as const

describe('a repository as one stream', function () {
  this.timeout(60_000)
  let loaded: LoadedModel
  before(async () => (loaded = await loadRandomModel()))
  after(() => loaded.model.dispose())

  const streamOf = (root: string, units: 'code' | 'blocks' = 'code', folder: string | null = null, more = {}) =>
    new MemoryStream(loaded, { root, breadcrumbs: true, folder, reading: { units, parameters: { ...parameters, ...more } } }) // prettier-ignore

  it('holds every file under its header, and knows which tokens are which unit', async () => {
    const stream = await laidOut(letters, repository(), codes('Start.'))
    const text = textOf(stream.tokens)
    assert.ok(text.startsWith('Start.# File: a.py\n'))
    let at = 0
    for (const file of Object.keys(files)) {
      const header = text.indexOf(`# File: ${file}`, at)
      assert.ok(header >= at, `${file} is in its place`)
      at = header
    }
    assert.deepEqual(
      stream.files.map(({ file }) => file),
      Object.keys(files),
    )
    assert.equal(stream.files.at(-1)!.to, stream.tokens.length)
    assert.equal(stream.files.at(-1)!.units[1], stream.lengths.length)
    assert.equal(
      stream.lengths.reduce((sum, length) => sum + length, 0),
      stream.tokens.length,
    )
    for (const { file, startLine, endLine, from, to } of stream.units) {
      const lines = files[file]!.split('\n').slice(startLine - 1, endLine)
      assert.equal(textOf(stream.tokens.slice(from, to)).trim(), lines.join('\n').trim())
    }
  })

  it('finds the unit of code that a unit of the memory has most in common with', () => {
    const unit = (from: number, to: number): LaidOutUnit => ({
      ...{ file: 'a', startLine: 1, endLine: 1, kind: 'text', symbol: '' },
      ...{ from, to },
    })
    const owners = unitAt([unit(5, 10), unit(10, 30), unit(40, 50)], Int32Array.of(0, 4, 8, 12, 20, 36, 44, 60))
    assert.deepEqual([...owners], [-1, 0, 0, 1, 1, 2, 2])
    assert.deepEqual([...unitAt([], Int32Array.of(0))], [])
  })

  it('is read once, and again when anything has changed', async () => {
    const root = repository()
    const stream = streamOf(root)
    const heard: Progress[] = []
    const read = () => stream.read({ ...silent, progress: (p) => heard.push(p) }, () => undefined)
    await read()
    const first = stream.totals()
    assert.ok(first.units > 3 && first.files === 3 && first.tokensPerSecond! > 0)
    assert.ok(heard.some(({ phase, unit, done }) => phase === 'read' && unit === 'tokens' && done > 0))
    await read()
    assert.equal(stream.totals().tokensPerSecond, undefined)
    writeFileSync(join(root, 'a.py'), 'x = 1\n')
    await read()
    assert.ok(stream.totals().tokens < first.tokens && stream.totals().tokensPerSecond! > 0)
    stream.close()
  })

  it('answers, tells what its layers used, and reads from disk when it may', async () => {
    const [root, memory] = [repository(), temporaryFolder()]
    for (const units of ['code', 'blocks'] as const) {
      const stream = streamOf(root, units, memory)
      await stream.read(silent, () => undefined)
      let said = ''
      const told = await stream.answer('Where is it?', asked, undefined, { ...silent, text: (text) => (said += text) })
      assert.ok(told.firstToken > 0)
      assert.equal(said.trimEnd(), told.answer)
      assert.ok(told.used.length > 0 && told.used.every(({ share }) => share > 0 && share <= 1))
      const shares = told.used.map(({ share }) => share)
      assert.deepEqual(
        shares,
        shares.toSorted((a, b) => b - a),
      )
      assert.ok(stream.totals().diskBytes > 0)
      assert.equal(readdirSync(join(memory, 'streams')).length, 3)
      stream.close()
    }
  })

  it('is taken from what was kept, and read again where that is damaged, gone or of other text', async () => {
    const [root, memory] = [repository(), temporaryFolder()]
    const streams = join(memory, 'streams')
    const opened = async (logged: string[] = []) => {
      const stream = streamOf(root, 'code', memory)
      await stream.read(silent, (message) => logged.push(message))
      return stream
    }
    const first = await opened()
    assert.ok(first.totals().tokensPerSecond! > 0)
    const told = await first.answer('Where is it?', asked, undefined, silent)
    const kept = await opened()
    assert.equal(kept.totals().tokensPerSecond, undefined)
    const { units, diskBytes } = first.totals()
    assert.ok(kept.totals().units === units && kept.totals().diskBytes === diskBytes)
    assert.deepEqual(
      { ...(await kept.answer('Where is it?', asked, undefined, silent)), firstToken: 0 },
      { ...told, firstToken: 0 },
    )
    const file = readdirSync(streams).find((name) => name.endsWith('.stream'))!
    const bytes = readFileSync(join(streams, file))
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(join(streams, file), bytes)
    const logged: string[] = []
    assert.ok((await opened(logged)).totals().tokensPerSecond! > 0)
    assert.deepEqual(logged, ['What was kept of this folder is damaged; it is read again.'])
    assert.equal((await opened()).totals().tokensPerSecond, undefined)
    // So is a list that says otherwise than its parts, or nothing that can be understood.
    const list = join(streams, readdirSync(streams).find((name) => name.endsWith('.json'))!)
    const { parts, ...rest } = JSON.parse(readFileSync(list, 'utf8')) as { parts: { tokens: number }[] }
    for (const damaged of [
      JSON.stringify({ ...rest, parts: parts.map((part) => ({ ...part, tokens: part.tokens + 1 })) }),
      JSON.stringify({ ...rest, files: [null], parts }),
      JSON.stringify({ ...rest, parts: [{ ...parts[0], name: '../../x' }] }),
      'null',
      '{',
    ]) {
      writeFileSync(list, damaged)
      assert.ok((await opened()).totals().tokensPerSecond! > 0, damaged)
      assert.equal((await opened()).totals().tokensPerSecond, undefined)
    }
    writeFileSync(join(root, 'a.py'), 'x = 1\n')
    assert.ok((await opened()).totals().tokensPerSecond! > 0)
    // Of one workspace, only the last reading: what had not changed, and what had.
    assert.equal(readdirSync(streams).length, 5)
    await forgetStreams(memory, root)
    assert.deepEqual(readdirSync(streams), [])
    assert.ok((await opened()).totals().tokensPerSecond! > 0)
  })

  /** Files of about 150 tokens each. */
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i + 10}.py`, python(`name${i}`, 2)]))

  const readNow = async (stream: MemoryStream, more: Parameters<MemoryStream['read']>[0] = silent) => {
    const logged: string[] = []
    await stream.read(more, (message) => logged.push(message))
    assert.deepEqual(logged, [])
    return stream.totals()
  }

  /** Cancelled as soon as some tokens are read; false where it was at its end before that was seen. */
  const brokenOff = async (stream: MemoryStream): Promise<boolean> => {
    const abort = new AbortController()
    const progress = ({ unit, done }: Progress) => (unit === 'tokens' && done > 0 ? abort.abort() : undefined)
    const reading = stream.read({ signal: abort.signal, progress }, () => undefined)
    return reading.then(
      () => false,
      (thrown: unknown) => {
        assert.ok(hasCode(thrown, 'cancelled'), String(thrown))
        return true
      },
    )
  }

  /** One that was broken off, at whatever token. */
  const begunStream = async (make: () => MemoryStream): Promise<MemoryStream> => {
    for (let tries = 0; tries < 50; tries++) {
      const stream = make()
      if (await brokenOff(stream)) return stream
      await stream.forget()
    }
    throw new Error('It is never broken off.')
  }

  for (const lookup of ['all', 'other', 'imports'] as const)
    it(`goes on where it was cancelled, as if it had not been, when it looks up ${lookup}`, async () => {
      for (const folder of [null, temporaryFolder()]) {
        const root = workspace({ ...many(7), 'f30.py': `import f12\n${python('last', 2)}` })
        const whole = streamOf(root, 'code', null, { lookup })
        const { tokens } = await readNow(whole)
        const stream = await begunStream(() => streamOf(root, 'code', folder, { lookup }))
        const begun = stream.totals().tokens
        assert.ok(begun < tokens)
        for (let i = 0; i < 5; i++) await brokenOff(stream)
        const { tokensRead = 0, ...totals } = await readNow(stream)
        assert.ok(tokensRead <= tokens - begun, `${tokensRead} of ${tokens}`)
        assert.deepEqual([totals.tokens, totals.files, totals.units], [tokens, 8, whole.totals().units])
        assert.equal((await readNow(stream)).tokensRead, undefined)
        if (folder === null || lookup !== 'all')
          assert.deepEqual(
            { ...(await stream.answer('Where is it?', asked, undefined, silent)), firstToken: 0 },
            { ...(await whole.answer('Where is it?', asked, undefined, silent)), firstToken: 0 },
          )
        if (folder !== null) {
          const other = streamOf(root, 'code', folder, { lookup })
          assert.equal((await readNow(other)).tokensRead, undefined)
          other.close()
        }
        for (const one of [whole, stream]) one.close()
      }
    })

  it('stays on disk until something of another reading is kept', async () => {
    const [root, folder] = [workspace(many(2)), temporaryFolder()]
    for (let tries = 0, begun = false; !begun; tries++) {
      assert.ok(tries < 50)
      const stream = streamOf(root, 'code', folder)
      await readNow(stream)
      stream.close()
      const other = streamOf(root, 'code', folder, { topk: 4 })
      begun = await brokenOff(other)
      other.close()
    }
    const stream = streamOf(root, 'code', folder)
    assert.equal((await readNow(stream)).tokensRead, undefined)
    stream.close()
  })

  it('goes on in another process after the last part that was kept', async () => {
    const [root, folder] = [workspace(many(12)), temporaryFolder()]
    const { to: tokens } = (await laidOut(loaded.model, root)).files.at(-1)!
    // Until a part is kept, but not the last.
    const parts = async () => (await readdir(join(folder, 'streams'))).filter((name) => name.endsWith('.stream')).length
    const stream = await begunStream(() => streamOf(root, 'code', folder))
    for (let tries = 0; (await parts()) === 0 || stream.totals().tokens >= tokens; tries++) {
      assert.ok(tries < 500)
      if (await brokenOff(stream)) continue
      await stream.forget()
      await brokenOff(stream)
    }
    stream.close()
    const other = streamOf(root, 'code', folder)
    const { tokensRead, tokens: all } = await readNow(other)
    assert.ok(tokensRead! > 0 && tokensRead! < all, `${tokensRead} of ${all}`)
    // What is kept is what was read: answers are the same from it.
    const third = streamOf(root, 'code', folder)
    assert.equal((await readNow(third)).tokensRead, undefined)
    assert.deepEqual(
      { ...(await third.answer('Where is it?', asked, undefined, silent)), firstToken: 0 },
      { ...(await other.answer('Where is it?', asked, undefined, silent)), firstToken: 0 },
    )
    for (const one of [other, third]) one.close()
  })

  it('reads from the part before a change on, and a file that is changed again alone', async () => {
    const [root, folder] = [workspace(many(12)), temporaryFolder()]
    let stream = streamOf(root, 'code', folder)
    const { tokens } = await readNow(stream)
    const parts = () => readdirSync(join(folder, 'streams')).filter((name) => name.endsWith('.stream')).length
    assert.ok(parts() > 2)
    put(root, { 'f18.py': python('other', 3) })
    const first = await readNow(stream)
    assert.ok(first.tokensRead! < tokens * 0.7 && first.files === 12, `${first.tokensRead} of ${tokens}`)
    const own = async () => (await laidOut(loaded.model, workspace({ 'f18.py': python('another', 4) }))).tokens.length
    for (const again of [false, true]) {
      // In the same process, and in another.
      if (again) {
        stream.close()
        stream = streamOf(root, 'code', folder)
      }
      put(root, { 'f18.py': python(again ? 'another' : 'different', 4) })
      const { tokensRead, files: count } = await readNow(stream)
      assert.ok(tokensRead! <= (await own()) + 8 && count === 12, `${tokensRead} of ${tokens}`)
    }
    // However many come one by one, only a few short parts are kept, and those are put together by who begins from them.
    for (let i = 0; i < 9; i++) {
      put(root, { [`new${i}.py`]: python('new', 1) })
      assert.ok((await readNow(stream)).tokensRead! < 200)
    }
    assert.ok(parts() < 12, `${parts()} parts`)
    const joined = await readNow(streamOf(root, 'code', folder))
    assert.ok(joined.tokensRead! > 0 && joined.tokensRead! < joined.tokens, `${joined.tokensRead} of ${joined.tokens}`)
    for (let i = 0; i < 9; i++) rmSync(join(root, `new${i}.py`))
    rmSync(join(root, 'f10.py'))
    const { tokensRead, tokens: left, files: count } = await readNow(stream)
    assert.deepEqual([tokensRead, count], [left, 11], 'the first file was taken away')
    const other = streamOf(root, 'code', folder)
    assert.equal((await readNow(other)).tokensRead, undefined)
    const told = await other.answer('Where is it?', asked, undefined, silent)
    assert.ok(told.used.every(({ file }) => file !== 'f10.py'))
    for (const one of [stream, other]) one.close()
  })

  it('keeps the order of imports where that is asked for: a change costs all that comes after it', async () => {
    const [root, folder] = [workspace(many(8)), temporaryFolder()]
    const stream = streamOf(root, 'code', folder, { lookup: 'imports' })
    const { tokens } = await readNow(stream)
    for (const name of ['other', 'another']) {
      put(root, { 'f16.py': python(name, 2) })
      const { tokensRead } = await readNow(stream)
      assert.ok(tokensRead! > 150 && tokensRead! < tokens * 0.7, `${tokensRead} of ${tokens}`)
    }
    // What imports another comes after it, and what it looks up is another's.
    put(root, { 'f10.py': `import f17\n${python('name0', 2)}` })
    assert.ok((await readNow(stream)).tokensRead! > tokens * 0.9)
    stream.close()
  })

  it('answers at once from what was read, and tells what was not', async () => {
    const [root, folder] = [workspace(many(8)), temporaryFolder()]
    const now = { ...silent, now: true }
    const stream = streamOf(root, 'code', folder)
    const one = await readNow(stream, now)
    assert.deepEqual([one.files, stream.missing()?.files], [1, 7])
    assert.equal((await readNow(stream, now)).tokensRead, undefined)
    assert.ok((await stream.answer('Where is it?', asked, undefined, silent)).answer.length > 0)
    const all = await readNow(stream)
    assert.ok(all.tokensRead! > 0 && all.tokensRead! < all.tokens)
    assert.equal(stream.missing(), undefined)
    put(root, { 'f12.py': python('other', 3) })
    assert.deepEqual([(await readNow(stream, now)).tokensRead, stream.missing()?.first], [undefined, ['f12.py']])
    // What may no longer be read is not answered from.
    rmSync(join(root, 'f11.py'))
    await readNow(stream, now)
    const { used } = await stream.answer('Where is it?', asked, undefined, silent)
    assert.ok(used.every(({ file }) => file !== 'f11.py'))
    stream.close()
  })

  it('is told what was said before, as far as there is room', async () => {
    const stream = streamOf(repository())
    await readNow(stream)
    const prompts: number[] = []
    const answer = async (before: readonly EarlierTurn[]) => {
      const progress = ({ phase, total }: Progress) => (phase === 'prefill' ? void prompts.push(total) : undefined)
      await stream.answer('Where?', { ...asked, before }, undefined, { ...silent, progress })
      return prompts.at(-1)!
    }
    const alone = await answer([])
    assert.equal(await answer([{ question: 'x '.repeat(200), answer: 'y', names: [] }]), alone)
    const roomy = new MemoryStream(loaded, { root: repository(), breadcrumbs: true, folder: null, reading: { units: 'code', parameters: { ...parameters, nLocal: 200 } } }) // prettier-ignore
    await readNow(roomy)
    const turn = { question: 'What?', answer: 'That.', names: [] }
    let told = 0
    const progress = ({ phase, total }: Progress) => (phase === 'prefill' ? void (told = total) : undefined)
    await roomy.answer('Where?', { ...asked, before: [turn] }, undefined, { ...silent, progress })
    assert.ok(told > alone, `${told} tokens, ${alone} without it`)
    for (const one of [stream, roomy]) one.close()
  })

  it('is read all the same where nothing can be kept', async () => {
    const folder = join(temporaryFolder(), 'file')
    writeFileSync(folder, '')
    const logged: string[] = []
    const stream = streamOf(repository(), 'code', folder)
    await stream
      .read(silent, (message) => logged.push(message))
      .catch((thrown: unknown) => {
        assert.ok(thrown instanceof Error)
        logged.push(thrown.message)
      })
    assert.equal(logged.length, 1)
  })

  it('has each file after those that it imports, where that is asked for', async () => {
    const root = workspace({
      'a.py': 'from c import three\n\n\ndef one():\n    return three()\n',
      'b.py': 'def two():\n    return 2\n',
      'c.py': 'import b\n\n\ndef three():\n    return b.two() + 1\n',
    })
    for (const [order, should] of [
      ['names', [['a.py'], ['b.py'], ['c.py']]],
      ['imports', [['b.py'], ['c.py', 'b.py'], ['a.py', 'c.py']]],
    ] as const) {
      const { tokens, lengths, files, units } = await laidOut(letters, root, codes('Start.'), order)
      assert.deepEqual(
        files.map(({ file, imports }) => [file, ...imports]),
        should,
      )
      for (const { file, from, to, units: own } of files) {
        assert.ok(textOf(tokens.subarray(from, to)).startsWith(`# File: ${file}\n`))
        assert.equal(
          lengths.slice(...own).reduce((sum, length) => sum + length, 0),
          to - from,
        )
        for (const unit of units) assert.equal(unit.file === file, unit.from >= from && unit.to <= to)
      }
    }
  })

  it('is read file by file where those of others are looked up, which the engine is told', async () => {
    const root = workspace({
      ...files,
      'a.py': `import b.d\n${files['a.py']!}`,
      'b/d.py': 'def third(x):\n    return x\n',
    })
    const read = async (lookup: string) => {
      const requests: (UnitCandidates & { readonly tokens: Int32Array })[] = []
      const recording = function (...of: ConstructorParameters<typeof loaded.addon.InfLlm>) {
        const memory = new loaded.addon.InfLlm(...of)
        const reads = memory.read.bind(memory)
        return Object.defineProperty(memory, 'read', {
          value: (...[request, ...rest]: Parameters<typeof reads>) => reads((requests.push(request), request), ...rest),
        })
      }
      const addon = { ...loaded.addon, InfLlm: recording as unknown as typeof loaded.addon.InfLlm }
      const reading = { units: 'code', parameters: { ...parameters, lookup } } as const
      const stream = new MemoryStream({ ...loaded, addon }, { root, breadcrumbs: true, folder: null, reading })
      const heard: Progress[] = []
      await stream.read({ ...silent, progress: (p) => heard.push(p) }, () => undefined)
      const { tokens } = stream.totals()
      const steps = heard.filter(({ phase, unit }) => phase === 'read' && unit === 'tokens')
      assert.ok(steps.length > 0 && steps.every(({ total }) => total === tokens))
      const told = await stream.answer('Where is it?', asked, undefined, silent)
      assert.ok(told.used.length > 0)
      stream.close()
      return requests
    }
    const told = (requests: Awaited<ReturnType<typeof read>>) => {
      let at = 0
      return requests.map(({ tokens, before, first }) => {
        const own = before === at ? 'own' : before
        at += tokens.length
        return [own, first?.length ?? 0]
      })
    }
    assert.deepEqual(told(await read('all')), [[undefined, 0]])
    const alone = [undefined, 0]
    assert.deepEqual(told(await read('other')), [alone, ['own', 0], ['own', 0], ['own', 0], ['own', 0]])
    // d.py, which a.py imports, then a.py.
    assert.deepEqual(told(await read('imports')), [alone, ['own', 0], ['own', 2], ['own', 0], ['own', 0]])
  })

  it('uses what recall has found, in all layers, as far as there is room', async () => {
    const stream = streamOf(repository())
    await stream.read(silent, () => undefined)
    const { units } = await laidOut(loaded.model, repository())
    const wanted = units.filter(({ file }) => file === 'b/c.ts')
    const { used } = await stream.answer('Where is it?', asked, wanted.slice(0, 1), silent)
    assert.deepEqual(
      used.map(({ file, startLine, share }) => [file, startLine, share]),
      [['b/c.ts', 1, 1]],
    )
    const all = await stream.answer('Where is it?', asked, units, silent)
    assert.ok(all.used.length >= 1 && all.used.length < units.length)
    stream.close()
  })

  it('stops when it is cancelled, and can be read afterwards', async () => {
    const stream = streamOf(repository())
    const abort = new AbortController()
    abort.abort()
    await rejects(
      stream.read({ ...silent, signal: abort.signal }, () => undefined),
      'cancelled',
    )
    await stream.read(silent, () => undefined)
    const answering = stream.answer('Where is it?', asked, undefined, { ...silent, signal: abort.signal })
    await rejects(answering, 'cancelled')
    assert.ok((await stream.answer('Where is it?', asked, undefined, silent)).firstToken > 0)
    stream.close()
  })

  it('is refused where its folder is gone', async () => {
    const root = repository()
    rmSync(root, { recursive: true })
    await rejects(
      streamOf(root).read(silent, () => undefined),
      'no-folder',
    )
  })
})

describe('the parameters of InfLLM', () => {
  it("are the paper's where a model was trained for as much, and in proportion where not", () => {
    const large = { layers: 28, embedding: 2048 }
    assert.deepEqual(usualParameters({ ...large, trainedContext: 8192 }), paper)
    assert.deepEqual(usualParameters({ ...large, trainedContext: 131_072 }), paper)
    const { nInit, nLocal, blockSize, topk, excBlockSize } = usualParameters({ ...large, trainedContext: 2048 })
    assert.deepEqual([nInit, nLocal, blockSize, topk, excBlockSize], [32, 1024, 32, 16, 128])
  })

  it('have a shorter window where a model is small, which --set paper gives back', () => {
    const usual = usualParameters({ layers: 30, embedding: 576, trainedContext: 8192 })
    assert.deepEqual(unlikePaper(usual), { nLocal: 1024, blockSize: 64, topk: 8 })
    assert.deepEqual({ ...usual, ...settingsOf('paper', '--set') }, paper)
    assert.deepEqual(unlikePaper({ ...usual, ...settingsOf('paper,topk=4', '--set') }), { topk: 4 })
  })

  it('are named one by one', () => {
    assert.deepEqual(settingsOf('nLocal=512, perhead=true,places=ordered', '--set'), {
      nLocal: 512,
      perhead: true,
      places: 'ordered',
    })
    assert.deepEqual(settingsOf('lookup=imports,order=names', '--set'), { lookup: 'imports', order: 'names' })
    for (const wrong of [
      'lookup=some',
      'order=',
      'local=3',
      'topk=few',
      'topk=',
      'perhead=1',
      'folder=/tmp',
      'nLocal=99999999999',
    ])
      assert.throws(() => settingsOf(wrong, '--set'), { code: 'usage' }, wrong)
  })

  it('need the reading they are for', () => {
    const usual: MemoryReadingFlags = { reading: 'afresh', units: 'code', lookUps: 'each', set: '' }
    assert.equal(memoryReadingOf(usual), undefined)
    assert.deepEqual(memoryReadingOf({ ...usual, reading: 'memory', set: 'topk=4' }), {
      ...{ units: 'code', choose: 'recall', lookUps: 'each', twice: false },
      parameters: { topk: 4 },
    })
    assert.throws(() => memoryReadingOf({ ...usual, choose: 'recall' }), /need --reading memory/)
    assert.throws(() => askedReading({ ...usual, reading: 'auto', choose: 'recall' }), /need --reading memory/)
    assert.deepEqual(askedReading(usual), { reading: 'afresh' })
    assert.deepEqual(askedReading({ ...usual, reading: 'auto' }), {})
  })
})
