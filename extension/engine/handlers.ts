/**
 * What the engine process does for its client: one model, one memory a workspace, the calls of protocol/calls.ts. A call reads
 * what has changed on disk before it answers, so that every answer is about the files as they are.
 */
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { answer } from '../answer/answer'
import { chat } from '../answer/chat'
import { summarySection } from '../answer/summary/from-memory'
import { noFolder } from '../errors'
import type { EngineOptions, Progress, QuestionOptions, StreamRequest, StreamResult } from '../protocol/types'
import { Memory, type LoadedModel } from '../recall/memory'
import { profileFor, readProfile } from '../recall/profile'
import { recall } from '../recall/recall'
import { cancellable, librariesFolder, loadAddon } from './addon'
import type { CallTools, EngineHandlers, HandlersContext } from './handlers-type'
import { fingerprint, readModelFile } from './model-file'

export function createHandlers({ log }: HandlersContext): EngineHandlers {
  const engine = new Engine((message) => log('warn', message))
  return {
    stream: (request, tools) => engine.inTurn(async () => (await engine.read(request, tools)).result),
    recall: (request, tools) =>
      engine.inTurn(async () => {
        const memory = await engine.toAsk(request, tools)
        const results = []
        for (const question of request.questions) results.push(await recall(memory, question, request, tools))
        return results
      }),
    ask: (request, tools) =>
      engine.inTurn(async () => {
        const started = performance.now()
        const memory = await engine.toAsk(request, tools)
        const stream = performance.now() - started
        const { timings, ...rest } = await answer(memory, request, tools)
        return { ...rest, timings: { ...timings, stream, total: performance.now() - started } }
      }),
    chat: (request, tools) => engine.inTurn(async () => chat(await engine.load(request, tools), request, tools)),
    section: (request, tools) =>
      engine.inTurn(async () => summarySection(await engine.toAsk(request, tools), request.section, tools)),
    outline: (request, tools) => engine.inTurn(async () => (await engine.memoryOf(request, tools)).outline()),
  }
}

class Engine {
  private loaded: { readonly key: string; readonly model: LoadedModel } | undefined
  private readonly memories = new Map<string, Memory>()
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly log: (message: string) => void) {}

  /** Calls take turns: the model does one thing at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work)
    this.last = next.catch(() => undefined)
    return next
  }

  /** The memory that a question is asked of. */
  async toAsk(request: StreamRequest & QuestionOptions, tools: CallTools): Promise<Memory> {
    if (request.heldOnly) {
      const memory = await this.memoryOf(request, tools)
      if (memory.files().length > 0) return memory
    }
    return (await this.read(request, tools)).memory
  }

  /** The workspace's memory as it is; empty at first. */
  async memoryOf(request: StreamRequest, tools: CallTools): Promise<Memory> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    const loaded = await this.load(request, tools)
    const key = createHash('sha256')
      .update(JSON.stringify([root, request.breadcrumbs]))
      .digest('hex')
    let memory = this.memories.get(key)
    if (!memory) this.memories.set(key, (memory = new Memory(root, loaded)))
    return memory
  }

  /** The workspace's memory, brought to what is on disk. */
  async read(request: StreamRequest, tools: CallTools): Promise<{ memory: Memory; result: StreamResult }> {
    const memory = await this.memoryOf(request, tools)
    const result = await memory.read({
      breadcrumbs: request.breadcrumbs,
      folder: request.memory === null ? null : path.join(request.memory, 'segments'),
      signal: tools.signal,
      progress: tools.progress,
      log: this.log,
    })
    return { memory, result }
  }

  async load(request: EngineOptions, tools: CallTools): Promise<LoadedModel> {
    const key = JSON.stringify([request.model, request.weights, request.threads, request.profile])
    if (this.loaded?.key === key) return this.loaded.model
    this.loaded?.model.model.dispose()
    this.loaded = undefined
    this.memories.clear()
    readModelFile(request.model)
    const addon = loadAddon()
    const threads = request.threads > 0 ? request.threads : os.availableParallelism()
    const started = performance.now()
    const report = (fraction: number) => {
      const seconds = (performance.now() - started) / 1000
      const progress: Progress = { phase: 'load', done: Math.round(fraction * 100), total: 100, unit: 'units', rate: 0 }
      tools.progress(
        seconds > 0 && fraction > 0 ? { ...progress, etaSeconds: (seconds / fraction) * (1 - fraction) } : progress,
      )
    }
    const options = { path: request.model, weights: request.weights, threads, libraries: librariesFolder() }
    const model = await cancellable(addon, tools.signal, (cancel) => addon.loadModel(options, cancel, report))
    const profile =
      request.profile === null ? profileFor(model.info()) : await readProfile(request.profile, model.info())
    // Transcoded weights give other keys than the file's own.
    const loaded = { addon, model, profile, threads, fingerprint: `${fingerprint(request.model)}-${request.weights}` }
    this.loaded = { key, model: loaded }
    return loaded
  }
}
