/** The engine's client: what it does when the process that serves it answers, dies, hangs, or is no longer wanted. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineClient, type EngineClientOptions } from '../../extension/engine/client'
import type { LongreadError } from '../../extension/errors'
import type { Progress } from '../../extension/protocol/types'
import { askRequest, recallRequest, streamRequest } from '../support/fake-handlers'
import { becomesGone, gone } from '../support/processes'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
const handlers = join(__dirname, '../support/fake-handlers.js')
let made = 0

/** A file in which the process notes each visit. */
const visited = () => join(folder, `visits-${++made}`)

describe('an engine client', () => {
  let client: EngineClient
  let notices: string[]
  let log: string[]

  const make = (options: EngineClientOptions = {}) => {
    notices = []
    log = []
    client = new EngineClient({
      handlers,
      onNotice: (message) => notices.push(message),
      onLog: (level, message) => log.push(`${level}: ${message}`),
      ...options,
    })
  }

  const pid = async () => (await client.call('stream', streamRequest('answer'))).files

  beforeEach(() => make())
  afterEach(() => client.dispose())

  it('serves calls from one process of its own, several at a time', async () => {
    const started = performance.now()
    const results = await Promise.all([
      client.call('stream', streamRequest('wait:600')),
      client.call('stream', streamRequest('wait:600')),
      client.call('stream', streamRequest('answer')),
    ])
    assert.equal(new Set(results.map((r) => r.files)).size, 1)
    assert.notEqual(results[0].files, process.pid)
    assert.ok(performance.now() - started < 5000)
    assert.deepEqual(notices, [])
  })

  it('passes progress and text on, each to the call that it belongs to', async () => {
    const progress: Progress[] = []
    const texts: string[][] = [[], []]
    const ask = (i: number) => client.call('ask', askRequest('answer'), { onText: (text) => texts[i]?.push(text) })
    const [answer] = await Promise.all([
      ask(0),
      ask(1),
      client.call('stream', streamRequest('answer'), { onProgress: (p) => progress.push(p) }),
    ])
    assert.equal(answer.answer, 'Hello world')
    assert.deepEqual(texts, Array(2).fill(['Hello', ' world']))
    assert.deepEqual(
      progress.map((p) => p.done),
      [1, 2, 3],
    )
  })

  it('brings typed arrays as typed arrays', async () => {
    const [first] = await client.call('recall', recallRequest('answer'))
    assert.ok(first && 'binary' in first)
    assert.deepEqual(first.binary, new Float32Array([1.5, 2.5]))
  })

  it('rejects with the error that the handler threw, its code and message', async () => {
    const message = await rejects(client.call('stream', streamRequest('throw:it is a cake')), 'bad-model')
    assert.equal(message, 'm.gguf cannot be used as a model: it is a cake.')
    assert.equal(await rejects(client.call('stream', streamRequest('throw:bug')), 'internal'), 'x is not a function')
    assert.ok(await pid())
  })

  it('says so when the engine cannot be loaded, for every call, without starting it again and again', async () => {
    for (const module of [join(__dirname, '../support/broken-handlers.js'), join(folder, 'no-such-module.js')]) {
      make({ handlers: module })
      const message = await rejects(client.call('stream', streamRequest('answer')), 'engine-missing')
      assert.match(message, /longread.node is not there|no-such-module/)
      await rejects(client.call('ask', askRequest('answer')), 'engine-missing')
      assert.deepEqual(notices, [])
      await client.dispose()
    }
  })

  it('hands on what the process logs and prints', async () => {
    await client.call('stream', streamRequest('console'))
    await client.dispose()
    for (const line of ['debug: on stdout', 'info: on stderr', 'warn: in the log']) assert.ok(log.includes(line), line)
  })

  describe('when the process dies', () => {
    it('starts it again, repeats the request once, and says so', async () => {
      const visits = visited()
      const { tokens, files } = await client.call('stream', streamRequest('die:1', visits))
      assert.equal(tokens, 2)
      assert.equal(new Set(readFileSync(visits, 'utf8').trim().split('\n')).size, 2)
      assert.deepEqual(notices, ['The engine stopped (SIGKILL) and was started again; the request is repeated.'])
      assert.equal(await pid(), files)
    })

    it('rejects with engine-died and its last words when it dies again', async () => {
      const visits = visited()
      const message = await rejects(client.call('stream', streamRequest('die:9', visits)), 'engine-died')
      assert.match(message, /SIGKILL: GGML_ASSERT\(tokens > 0\) failed/)
      assert.equal(readFileSync(visits, 'utf8').trim().split('\n').length, 2)
      assert.equal(notices.length, 1)
      assert.ok(await pid())
    })

    it('tells how it ended when it ended by itself', async () => {
      assert.match(await rejects(client.call('stream', streamRequest('exit:3')), 'engine-died'), /code 3/)
      assert.match(notices[0] ?? '', /\(code 3\)/)
    })

    it('tells who reads an answer to forget the part that came before', async () => {
      let text = ''
      let restarts = 0
      const onRestart = () => {
        ++restarts
        assert.equal(text, 'Hello')
        text = ''
      }
      await client.call('ask', askRequest('die:1', visited()), { onText: (piece) => (text += piece), onRestart })
      assert.equal(text, 'Hello world')
      assert.equal(restarts, 1)
    })

    it('repeats every call that was running, and says so once', async () => {
      const [a, b, c] = await Promise.all([
        client.call('stream', streamRequest('die:1', visited())),
        client.call('stream', streamRequest('wait:1000')),
        client.call('ask', askRequest('wait:1000')),
      ])
      assert.equal(a.files, b.files)
      assert.equal(c.answer, 'Hello world')
      assert.equal(notices.length, 1)
    })

    it('repeats on the processor what crashed while a GPU computed, says so once, and stays there', async () => {
      const devices: string[] = []
      make({ onDevice: ({ kind }) => devices.push(kind) })
      const visits = visited()
      const request = { ...streamRequest('crash', visits), device: 'cuda' } as const
      assert.equal((await client.call('stream', request)).tokens, 2)
      assert.equal((await client.call('stream', request)).tokens, 3)
      assert.deepEqual(devices, ['cuda', 'cpu', 'cpu'])
      assert.equal(notices.length, 1)
      assert.match(notices[0]!, /SIGABRT.* while a GPU computed; the request is repeated on the processor/)
      assert.ok(log.some((line) => line.includes('CUDA error')))
    })

    it('ends a process whose GPU failed, and repeats the request on the processor', async () => {
      const visits = visited()
      const request = { ...streamRequest('fault', visits), device: 'cuda' } as const
      assert.equal((await client.call('stream', request)).tokens, 2)
      assert.equal(new Set(readFileSync(visits, 'utf8').trim().split('\n')).size, 2)
      assert.equal(notices.length, 1)
      assert.match(notices[0]!, /SIGABRT.* while a GPU computed; the request is repeated on the processor/)
      assert.ok(log.includes('info: The GPU failed: an illegal memory access.'))
    })

    it('stays on the GPU when the process was killed there, which is no fault of the GPU', async () => {
      const devices: string[] = []
      make({ onDevice: ({ kind }) => devices.push(kind) })
      const request = { ...streamRequest('die:1', visited()), device: 'cuda' } as const
      assert.equal((await client.call('stream', request)).tokens, 2)
      assert.deepEqual(devices, ['cuda', 'cuda'])
    })

    it('between two calls starts it again without a word', async () => {
      const first = await pid()
      process.kill(first, 'SIGKILL')
      assert.ok(await becomesGone(first))
      assert.notEqual(await pid(), first)
    })

    it('under a killer that strikes at random moments still answers, or says that it died', async () => {
      let answered = 0
      for (let i = 0; i < 6; ++i) {
        const victim = await pid()
        const call = client.call('stream', streamRequest('wait:80')).then(
          () => ++answered,
          (error: unknown) => assert.equal((error as LongreadError).code, 'engine-died'),
        )
        await delay(Math.random() * 100)
        if (!gone(victim)) process.kill(victim, 'SIGKILL')
        await call
      }
      assert.ok(answered >= 4)
    })
  })

  describe('when a call is cancelled', () => {
    it('does not even start a process when it was cancelled before', async () => {
      await rejects(client.call('stream', streamRequest('answer'), { signal: AbortSignal.abort() }), 'cancelled')
      assert.deepEqual(log, [])
    })

    it('rejects within a second, whatever the moment, and the process serves on', async () => {
      const first = await pid()
      for (let i = 0; i < 20; ++i) {
        const abort = new AbortController()
        const call = client.call('ask', askRequest('wait:200'), { signal: abort.signal })
        // Behind the call for its first moments; sometimes after the answer's first text, sometimes close to its end.
        const settled = rejects(call, 'cancelled')
        await delay(Math.random() * 150)
        const asked = performance.now()
        abort.abort()
        await settled
        assert.ok(performance.now() - asked < 1500)
      }
      assert.equal(await pid(), first)
    })

    it('kills a process that does not answer, busy or deaf, and starts another for the next call', async () => {
      for (const behaviour of ['spin:/no/such/file', 'deaf']) {
        const first = await pid()
        const abort = new AbortController()
        const settled = rejects(client.call('stream', streamRequest(behaviour), { signal: abort.signal }), 'cancelled')
        await delay(100)
        const asked = performance.now()
        abort.abort()
        await settled
        assert.ok(performance.now() - asked < 1500)
        assert.ok(await becomesGone(first))
        assert.notEqual(await pid(), first)
      }
      assert.deepEqual(notices, [])
    })

    it('repeats the others that shared a process which had to be killed, and does not hold it against them', async () => {
      const visits = visited()
      const other = client.call('stream', streamRequest('wait:1500', visits))
      for (let i = 0; i < 2; ++i) {
        const abort = new AbortController()
        const deaf = rejects(client.call('stream', streamRequest('deaf'), { signal: abort.signal }), 'cancelled')
        await delay(200)
        abort.abort()
        await deaf
      }
      assert.equal((await other).tokens, 3)
      assert.equal(notices.length, 2)
    })

    it('passes nothing on to who cancelled', async () => {
      const abort = new AbortController()
      let after = 0
      const onText = () => {
        if (abort.signal.aborted) ++after
        abort.abort()
      }
      await rejects(client.call('ask', askRequest('answer'), { signal: abort.signal, onText }), 'cancelled')
      await delay(100)
      assert.equal(after, 0)
    })
  })

  describe('when it is disposed of', () => {
    it('ends the process, idle, busy or deaf, and rejects what was running', async () => {
      for (const behaviour of ['answer', 'wait:60000', 'spin:/no/such/file', 'deaf']) {
        make()
        const child = await pid()
        const call =
          behaviour === 'answer' ? undefined : rejects(client.call('stream', streamRequest(behaviour)), 'cancelled')
        await delay(50)
        await client.dispose()
        assert.ok(gone(child), behaviour)
        await call
      }
    })

    it('serves no more calls, and disposing of it twice or unused is fine', async () => {
      await client.dispose()
      await client.dispose()
      await rejects(client.call('stream', streamRequest('answer')), 'cancelled')
    })

    it('leaves nothing that keeps its own process from ending', async () => {
      const script = join(folder, 'uses-client.cjs')
      const name = require.resolve('../../extension/engine/client')
      writeFileSync(
        script,
        `const { EngineClient } = require(${JSON.stringify(name)})
         const client = new EngineClient({ handlers: ${JSON.stringify(handlers)} })
         client.call('stream', ${JSON.stringify(streamRequest('answer'))}).then(() => client.dispose())`,
      )
      const parent = spawn(process.execPath, [script], { stdio: 'inherit' })
      const code = await new Promise((resolve) => parent.once('exit', resolve))
      assert.equal(code, 0)
    })
  })

  it('has a process that ignores Ctrl-C and ends when its client is no more', async () => {
    const script = join(folder, 'dies.cjs')
    const name = require.resolve('../../extension/engine/client')
    writeFileSync(
      script,
      `const { EngineClient } = require(${JSON.stringify(name)})
       const client = new EngineClient({ handlers: ${JSON.stringify(handlers)} })
       client.call('stream', ${JSON.stringify(streamRequest('answer'))}).then(({ files }) => {
         process.kill(files, 'SIGINT')
         return client.call('stream', ${JSON.stringify(streamRequest('wait:300'))}).then((r) => process.stdout.write(files === r.files ? files + '\\n' : 'another'))
       })`,
    )
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const child = Number(
      await new Promise<string>((resolve) => parent.stdout.once('data', (d: Buffer) => resolve(String(d)))),
    )
    assert.ok(child > 0)
    parent.kill('SIGKILL')
    assert.ok(await becomesGone(child))
  })
})
