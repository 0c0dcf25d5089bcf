/** A workspace session: what it reads when, and what its state says, with an engine that does what the test tells it to. */
import assert from 'node:assert/strict'
import type { CallOptions, EngineClient } from '../../extension/engine/client'
import { WorkspaceSession, type SessionState } from '../../extension/engine/workspace-session'
import { cancelled, LongreadError, noModel } from '../../extension/errors'
import type { AskRequest, Change, Progress, StreamResult } from '../../extension/protocol/types'
import { askRequest, streamRequest } from '../support/fake-handlers'
import { rejects } from '../support/rejects'

const held: StreamResult = {
  files: 1, skipped: [], units: 1, tokens: 10, seconds: 1, tokensPerSecond: 10, memoryBytes: 10, reused: 0, tokensRead: 0,
} // prettier-ignore
const progress = (done: number): Progress => ({ phase: 'read', done, total: 100, unit: 'tokens', rate: 1 })
const ask = askRequest('')
const soon = () => new Promise((resolve) => setImmediate(resolve))

/** One call as the engine sees it: the test settles it. */
class Call {
  settle!: (result: unknown) => void
  fail!: (error: Error) => void
  readonly done = new Promise((resolve, reject) => {
    this.settle = resolve
    this.fail = reject
  })

  constructor(
    readonly name: string,
    readonly request: AskRequest,
    readonly options: CallOptions,
  ) {
    this.done.catch(() => undefined)
    options.signal?.addEventListener('abort', () => this.fail(cancelled()))
  }

  get changes(): readonly Change[] | undefined {
    return (this.request as { readonly changes?: readonly Change[] }).changes
  }
}

describe('a workspace session', () => {
  let calls: Call[]
  let states: SessionState[]
  let session: WorkspaceSession
  let typed: Map<string, string>
  /** It has been quiet for long enough. */
  let pass: () => void
  let now: number
  let watching: boolean
  let request: () => Promise<ReturnType<typeof streamRequest>>
  const kinds = () => states.map(({ kind }) => kind)
  const last = () => calls.at(-1)!

  beforeEach(() => {
    calls = []
    states = []
    request = () => Promise.resolve(streamRequest('root'))
    const engine = {
      call: (name: string, wanted: AskRequest, options: CallOptions = {}) => {
        const call = new Call(name, wanted, options)
        calls.push(call)
        return call.done
      },
    } as unknown as EngineClient
    typed = new Map()
    pass = () => undefined
    const after = (_: number, call: () => void) => {
      pass = call
      return () => (pass = () => undefined)
    }
    now = 0
    watching = false
    session = new WorkspaceSession(engine, () => request(), {
      unsaved: () => typed,
      watched: () => watching,
      clock: { now: () => now, after },
    })
    session.onDidChange((state) => states.push(state))
  })

  const ready = async () => {
    session.read()
    await soon()
    last().settle(held)
    await soon()
  }

  it('is read once when asked to, and says how far it is', async () => {
    session.read()
    session.read()
    await soon()
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['stream'],
    )
    last().options.onProgress?.(progress(40))
    last().settle(held)
    await soon()
    assert.deepEqual(session.state, { kind: 'ready', held })
    assert.ok(states.some((state) => state.kind === 'reading' && state.progress?.done === 40))
  })

  it('has a question look at all files unless they are watched and nothing has changed, and then again after a while', async () => {
    const asked = async () => {
      const answer = session.ask(ask)
      await soon()
      const call = calls.filter(({ name }) => name === 'ask').at(-1)!
      call.settle({})
      await answer
      return call.request.watched === true
    }
    watching = true
    assert.equal(await asked(), false, 'nothing is held yet')
    last().settle(held)
    await soon()
    assert.equal(session.state.kind, 'ready')
    assert.equal(await asked(), true)
    watching = false
    assert.equal(await asked(), false)
    watching = true
    session.changed(['a.py'])
    assert.equal(await asked(), false, 'a change was not told yet')
    pass()
    await soon()
    assert.equal(await asked(), false, 'it is being read')
    last().settle({ missing: { files: 0 }, held, skipped: [] })
    calls
      .filter(({ name }) => name === 'update')
      .at(-1)!
      .settle({ missing: { files: 0 }, held, skipped: [] })
    await soon()
    calls
      .filter(({ name }) => name === 'stream')
      .at(-1)!
      .settle(held)
    await soon()
    assert.equal(await asked(), true)
    now += 5 * 60_000
    assert.equal(await asked(), false, 'a watcher may lose something')
    assert.equal(await asked(), true)
    session.restart()
    await soon()
    assert.equal(await asked(), false)
  })

  it('stops reading when paused, and goes on where it was', async () => {
    session.read()
    await soon()
    last().options.onProgress?.(progress(40))
    session.pause()
    await soon()
    assert.deepEqual(session.state, { kind: 'paused', progress: progress(40), held: undefined })
    await soon()
    assert.equal(calls.length, 1, 'nothing is read while it is paused')
    session.read()
    await soon()
    assert.equal(calls.length, 2)
    last().settle(held)
    await soon()
    assert.equal(session.state.kind, 'ready')
  })

  it('answers from what is held while the first reading goes on, and reads on afterwards', async () => {
    session.read()
    await soon()
    last().options.onProgress?.(progress(40))
    const answer = session.ask(ask)
    await soon()
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['stream', 'ask'],
    )
    assert.equal(calls[0]?.options.signal?.aborted, true)
    assert.equal(last().request.now, true)
    last().settle('the answer')
    assert.equal(await answer, 'the answer')
    await soon()
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['stream', 'ask', 'stream'],
    )
  })

  it('reads before the first answer when nothing is held yet', async () => {
    const answer = session.ask(ask)
    await soon()
    assert.equal(last().request.now, false)
    last().settle('the answer')
    await answer
    await soon()
    assert.equal(last().name, 'stream', 'to tell how much is held')
  })

  it('reads no further after an answer when it is paused', async () => {
    session.read()
    await soon()
    last().options.onProgress?.(progress(40))
    session.pause()
    await soon()
    const answer = session.ask(ask)
    await soon()
    last().settle('the answer')
    await answer
    await soon()
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['stream', 'ask'],
    )
    assert.equal(session.state.kind, 'paused')
  })

  const totals = { files: 2, units: 3, tokens: 20, memoryBytes: 20 }
  const updated = (missing = 0) => ({
    files: 1, tokens: 10, ms: 1, missing: { files: missing, bytes: 0, first: [] }, held: totals, skipped: [],
  }) // prettier-ignore
  const names = () => calls.map(({ name }) => name)

  it('has saved files read alone when it has been quiet for a moment, and is stale until then', async () => {
    await ready()
    session.changed(['a.ts'])
    session.changed(['b.ts', 'a.ts'])
    assert.deepEqual(session.state, { kind: 'stale', held })
    pass()
    await soon()
    assert.deepEqual(names(), ['stream', 'update'])
    assert.deepEqual(last().changes, [{ file: 'b.ts' }, { file: 'a.ts' }])
    last().settle(updated())
    await soon()
    assert.deepEqual(session.state, { kind: 'ready', held: { ...held, ...totals } })
  })

  it('has saved files read ahead of the reading that goes on', async () => {
    session.read()
    await soon()
    session.changed(['a.ts'])
    pass()
    await soon()
    assert.deepEqual(names(), ['stream', 'update'])
    assert.equal(calls[0]!.options.signal?.aborted, false)
    calls[1]!.settle(updated(5))
    calls[0]!.settle(held)
    await soon()
    await soon()
    assert.deepEqual(names(), ['stream', 'update', 'stream'], 'what still waits is read afterwards')
  })

  it('stays stale while more is saved, and reads everything when a saved file could not be read', async () => {
    await ready()
    session.changed(['a.ts'])
    pass()
    await soon()
    session.changed(['b.ts'])
    last().settle(updated())
    await soon()
    assert.equal(session.state.kind, 'stale')
    pass()
    await soon()
    last().fail(new LongreadError('engine-died', 'gone'))
    await soon()
    await soon()
    assert.deepEqual(names(), ['stream', 'update', 'update', 'stream'])
  })

  it('keeps a list of what is left out that knows what was saved', async () => {
    const before = { ...held, skipped: ['a.ts', 'b.ts'].map((file) => ({ file, reason: 'secret' })) }
    session.read()
    await soon()
    last().settle(before)
    await soon()
    session.changed(['a.ts', 'c.ts'])
    pass()
    await soon()
    last().settle({ ...updated(), skipped: [{ file: 'c.ts', reason: 'binary' }] })
    await soon()
    const left = session.state.kind === 'ready' ? session.state.held.skipped : []
    assert.deepEqual(left, [
      { file: 'b.ts', reason: 'secret' },
      { file: 'c.ts', reason: 'binary' },
    ])
  })

  it('tells what is typed and not saved before a question, once, and that it was given up', async () => {
    await ready()
    typed.set('a.ts', 'typed')
    const asked = [session.ask(ask), session.ask(ask)]
    await soon()
    assert.deepEqual(names(), ['stream', 'update', 'ask', 'ask'])
    assert.deepEqual(calls[1]?.changes, [{ file: 'a.ts', text: 'typed' }])
    typed.clear()
    asked.push(session.ask(ask))
    await soon()
    assert.deepEqual(calls[4]?.changes, [{ file: 'a.ts', text: null }])
    for (const call of calls) call.settle(call.name === 'update' ? updated() : 'the answer')
    assert.deepEqual(await Promise.all(asked), ['the answer', 'the answer', 'the answer'])
  })

  it('tells what is held without waiting for reading or stopping it, once anything is', async () => {
    assert.deepEqual(await session.folder(''), { folders: [], files: [], more: 0 })
    session.read()
    await soon()
    assert.deepEqual(await session.complete('x'), [])
    last().options.onProgress?.(progress(40))
    const found = [session.folder('web', 5), session.units('web/a.ts'), session.complete('rou')]
    await soon()
    assert.deepEqual(names(), ['stream', 'folder', 'units', 'complete'])
    assert.equal(calls[0]?.options.signal?.aborted, false)
    assert.deepEqual(
      calls.slice(1).map(({ request: { root, ...rest } }) => {
        const { folder, from, file, text } = rest as Record<string, unknown>
        return [root, folder, from, file, text].filter((value) => value !== undefined)
      }),
      [
        ['root', 'web', 5],
        ['root', 'web/a.ts'],
        ['root', 'rou'],
      ],
    )
    for (const call of calls.slice(1)) call.settle(call.name)
    assert.deepEqual(await Promise.all(found), ['folder', 'units', 'complete'])
    assert.deepEqual(names(), ['stream', 'folder', 'units', 'complete'])
  })

  it('says that there is no model, and reads when there is one', async () => {
    request = () => Promise.reject(noModel('small'))
    session.read()
    await soon()
    await soon()
    assert.equal(session.state.kind, 'no-model')
    assert.equal(calls.length, 0)
    await rejects(session.ask(ask), 'no-model')
    request = () => Promise.resolve(streamRequest('root'))
    session.read()
    await soon()
    last().settle(held)
    await soon()
    assert.equal(session.state.kind, 'ready')
  })

  it('shows what failed, and can be read again', async () => {
    session.read()
    await soon()
    last().fail(new LongreadError('engine-died', 'gone'))
    await soon()
    assert.equal(session.state.kind === 'failed' && session.state.error.code, 'engine-died')
    await ready()
    assert.equal(session.state.kind, 'ready')
  })

  it('reads anew after a failure when the settings have changed', async () => {
    session.read()
    await soon()
    last().fail(new LongreadError('bad-model', 'cut'))
    await soon()
    session.restart()
    await soon()
    assert.equal(session.state.kind, 'reading')
    assert.equal(calls.length, 2)
  })

  it('passes the error of a question to who asked, and stays what it was', async () => {
    await ready()
    const answer = session.ask(ask)
    await soon()
    last().fail(new LongreadError('too-long', 'long'))
    await rejects(answer, 'too-long')
    assert.equal(session.state.kind, 'ready')
  })

  it('forgets what is held when the settings of the engine change', async () => {
    await ready()
    session.restart()
    await soon()
    assert.deepEqual(session.state, { kind: 'reading', progress: undefined, held: undefined })
    assert.equal(calls.length, 2)
  })

  it('says nothing any more once it is disposed', async () => {
    session.read()
    await soon()
    const before = kinds().length
    session.dispose()
    await soon()
    await soon()
    assert.equal(calls[0]?.options.signal?.aborted, true)
    assert.equal(kinds().length, before)
    assert.equal(calls.length, 1)
  })
})
