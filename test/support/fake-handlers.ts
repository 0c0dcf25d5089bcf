/**
 * Handlers for tests of the engine process: what a call does is said by its request's `root`. Not a fake of the engine's answers,
 * only of its behaviour: it takes time, dies, hangs, streams, throws.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { CallTools, EngineHandlers, HandlersModule } from '../../extension/engine/handlers-type'
import { badModel, cancelled, LongreadError } from '../../extension/errors'
import type { AskRequest, RecallRequest, StreamRequest, StreamResult } from '../../extension/protocol/types'

export const streamRequest = (root: string, memory: string | null = null): StreamRequest => ({
  root,
  memory,
  model: '',
  weights: 'fast',
  profile: null,
  device: 'cpu',
  threads: 1,
  breadcrumbs: true,
})

const recallOptions = { top: 1, signals: 'all', rerank: false, rarity: true } as const
export const recallRequest = (root: string, memory: string | null = null): RecallRequest => ({
  ...streamRequest(root, memory),
  ...recallOptions,
  questions: [],
})
export const askRequest = (root: string, memory: string | null = null): AskRequest => ({
  ...streamRequest(root, memory),
  ...recallOptions,
  question: '',
  sampling: { temperature: 0, topP: 1, seed: 0, maxTokens: 1 },
  readingTokens: 1,
})

/** Notes in a file that the process was here, and returns how often any was. */
function visits(file: string): number {
  appendFileSync(file, `${process.pid}\n`)
  return readFileSync(file, 'utf8').trim().split('\n').length
}

const result = (tokens: number): StreamResult => ({
  files: process.pid,
  skipped: [],
  units: 0,
  tokens,
  tokensRead: tokens,
  seconds: 0,
  tokensPerSecond: 0,
  memoryBytes: 0,
  reused: 0,
})

async function behave(request: StreamRequest, tools: CallTools): Promise<number> {
  const [what = '', argument = ''] = request.root.split(':')
  const times = request.memory === null ? 1 : visits(request.memory)
  switch (what) {
    case 'answer':
      return times
    case 'wait':
      await delay(Number(argument), undefined, { signal: tools.signal }).catch(() => {
        throw cancelled()
      })
      return times
    case 'die':
      // Until it was here often enough.
      if (times <= Number(argument)) {
        process.stderr.write('GGML_ASSERT(tokens > 0) failed\n')
        await delay(50)
        process.kill(process.pid, 'SIGKILL')
        await delay(10_000)
      }
      return times
    case 'crash':
      // As a CUDA fault does, only where a GPU computes.
      if (request.device === 'cuda') {
        process.stderr.write('CUDA error: an illegal memory access was encountered\n')
        await delay(50)
        process.abort()
      }
      return times
    case 'fault':
      // Our own kernels' faults reject; nothing else can be done on that GPU by this process.
      if (request.device === 'cuda') throw new LongreadError('gpu-failed', 'The GPU failed: an illegal memory access.')
      return times
    case 'exit':
      return process.exit(Number(argument))
    case 'spin':
      for (;;) if (existsSync(argument)) return times
    case 'deaf':
      await delay(60_000)
      return times
    case 'throw':
      throw argument === 'bug' ? new TypeError('x is not a function') : badModel('m.gguf', argument)
    case 'console':
      console.log('on stdout')
      console.error('on stderr')
      tools.log('warn', 'in the log')
      await delay(50)
      return times
    default:
      throw new Error(`no such behaviour: ${what}`)
  }
}

export const createHandlers: HandlersModule['createHandlers'] = ({ device }) => {
  const handlers: EngineHandlers = {
    streamMemory: () =>
      Promise.resolve({ files: 0, tokens: 0, units: 0, memoryBytes: 0, diskBytes: 0, skipped: [], seconds: 0 }),
    async stream(request, tools) {
      const memory =
        request.device === 'cuda' ? { memoryFree: 1e9, memoryTotal: 2e9 } : { memoryFree: 0, memoryTotal: 0 }
      const whole = request.device === 'cuda'
      device({ kind: whole ? 'cuda' : 'cpu', name: whole ? 'a GPU' : 'zen4', ...memory, layers: whole ? 4 : 0, whole })
      for (let done = 1; done <= 3; ++done) tools.progress({ phase: 'read', done, total: 3, unit: 'files', rate: 1 })
      return result(await behave(request, tools))
    },
    async update(request, tools) {
      return {
        files: 0,
        tokens: await behave(request, tools),
        ms: 0,
        missing: { files: 0, bytes: 0, first: [] },
        held: result(0),
        skipped: [],
      }
    },
    async recall(request, tools) {
      await behave(request, tools)
      // Typed arrays travel as they are; nothing in the result's type is one, so this one comes as an extra.
      return [Object.assign({ question: '', units: [], files: [], ms: 0 }, { binary: new Float32Array([1.5, 2.5]) })]
    },
    async ask(request, tools) {
      tools.text('Hello')
      await delay(20)
      const tokens = await behave(request, tools)
      tools.text(' world')
      const timings = { stream: 0, recall: 0, firstToken: 0, answer: 0, total: tokens }
      return {
        answer: 'Hello world',
        citations: [],
        reading: [],
        recalled: [],
        found: true,
        from: { way: 'afresh' },
        timings,
      }
    },
    async chat() {
      await delay(1)
      return { text: '', prompt: 0 }
    },
    async section(request, tools) {
      await behave(request, tools)
      return { id: request.section, title: request.section, markdown: `About ${request.section}.` }
    },
    async outline(request, tools) {
      await behave(request, tools)
      return []
    },
    async folder(request, tools) {
      await behave(request, tools)
      return { folders: [], files: [], more: 0 }
    },
    async texts(request, tools) {
      await behave(request, tools)
      return request.files
    },
    async units(request, tools) {
      await behave(request, tools)
      return []
    },
    async complete(request, tools) {
      await behave(request, tools)
      return []
    },
    async calibrate() {
      await delay(1)
      throw badModel('m.gguf', 'there is none')
    },
    async dispose() {
      await delay(1)
    },
  }
  return handlers
}
