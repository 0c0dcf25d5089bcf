/** A repository as one stream in InfLLM's memory, with a tiny model: what is laid out, when it is read again, what answers tell. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeModel, UnitCandidates } from '../../extension/engine/addon'
import { askedReading, memoryReadingOf, type MemoryReadingFlags } from '../../extension/cli/memory-reading'
import { layOutRepository, unitAt, type LaidOutUnit } from '../../extension/infllm/layout'
import { MemoryStream } from '../../extension/infllm/memory-stream'
import { paper, settingsOf, unlikePaper, usualParameters } from '../../extension/infllm/parameters'
import type { LoadedModel } from '../../extension/recall/loaded'
import type { Progress } from '../../extension/protocol/types'
import { forgetStreams } from '../../extension/store/streams'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { loadRandomModel } from '../support/tiny-model'
import { workspace } from '../support/workspace'

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
const parameters = { nInit: 4, nLocal: 24, blockSize: 16, topk: 9, reprTopk: 2, maxCachedBlock: 9, excBlockSize: 12 }
const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: 5 }
const asked = { sampling, choose: 'layers', lookUps: 'each', twice: false } as const

describe('a repository as one stream', function () {
  this.timeout(60_000)
  let loaded: LoadedModel
  before(async () => (loaded = await loadRandomModel()))
  after(() => loaded.model.dispose())

  const streamOf = (root: string, units: 'code' | 'blocks' = 'code', folder: string | null = null) =>
    new MemoryStream(loaded, { root, breadcrumbs: true, folder, reading: { units, parameters } })

  it('holds every file under its header, and knows which tokens are which unit', async () => {
    const laidOut = await layOutRepository(letters, repository(), { ...layOutOptions, before: codes('Start.') })
    const text = textOf(laidOut.tokens)
    assert.ok(text.startsWith('Start.# File: a.py\n'))
    let at = 0
    for (const file of Object.keys(files)) {
      const header = text.indexOf(`# File: ${file}`, at)
      assert.ok(header >= at, `${file} is in its place`)
      at = header
    }
    assert.equal(laidOut.files.length, 3)
    assert.equal(
      laidOut.lengths.reduce((sum, length) => sum + length, 0),
      laidOut.tokens.length,
    )
    for (const { file, startLine, endLine, from, to } of laidOut.units) {
      const lines = files[file]!.split('\n').slice(startLine - 1, endLine)
      assert.equal(textOf(laidOut.tokens.slice(from, to)).trim(), lines.join('\n').trim())
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
      assert.equal(readdirSync(join(memory, 'streams')).length, 2)
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
    writeFileSync(join(root, 'a.py'), 'x = 1\n')
    assert.ok((await opened()).totals().tokensPerSecond! > 0)
    // Of one workspace, only the last reading.
    assert.equal(readdirSync(streams).length, 2)
    await forgetStreams(memory, root)
    assert.deepEqual(readdirSync(streams), [])
    assert.ok((await opened()).totals().tokensPerSecond! > 0)
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
      const options = { ...layOutOptions, order, before: codes('Start.') }
      const { tokens, lengths, files, units } = await layOutRepository(letters, root, options)
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
    const { units } = await layOutRepository(loaded.model, repository(), { ...layOutOptions, before: new Int32Array() })
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
