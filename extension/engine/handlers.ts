/**
 * What the engine process does for its client: one model, one memory a workspace, the calls of protocol/calls.ts. Unless it is
 * asked to answer now, a question reads what has changed on disk before, so that every answer is about the files as they are.
 */
import { realpath } from 'node:fs/promises'
import * as os from 'node:os'
import { answer } from '../answer/answer'
import { noFolder } from '../errors'
import type { AskRequest, Missing, Progress, RecallRequest, RecallResult, StreamRequest } from '../protocol/types'
import { namedFiles } from '../recall/backlog'
import { Memory, type LoadedModel, type ReadOptions } from '../recall/memory'
import { profileFor, readProfile } from '../recall/profile'
import { recall } from '../recall/recall'
import { cancellable, librariesFolder, loadAddon } from './addon'
import type { CallTools, EngineHandlers, HandlersContext } from './handlers-type'
import { fingerprint, readModelFile } from './model-file'
import { Turns, uninterrupted, type Turn } from './turns'

export function createHandlers({ log }: HandlersContext): EngineHandlers {
  const engine = new Engine((message) => log('warn', message))
  return {
    stream: (request, tools) =>
      engine.turns.take('read', tools.signal, async (turn) => {
        const memory = await engine.memory(request, tools)
        return memory.read(engine.options(request, tools, turn))
      }),
    update: (request, tools) =>
      engine.turns.take('update', tools.signal, async (turn) => {
        const memory = await engine.memory(request, tools)
        return memory.update(request.changes, engine.options(request, tools, turn))
      }),
    recall: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const memory = await engine.ready(request, request.questions, tools)
        const results: RecallResult[] = []
        for (const question of request.questions) {
          const found = await engine.repairing(memory, request, tools, () => recall(memory, question, request, tools))
          results.push({ ...found, ...missingOf(memory) })
        }
        return results
      }),
    ask: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const started = performance.now()
        const memory = await engine.ready(request, [request.question], tools)
        const stream = performance.now() - started
        const answered = await engine.repairing(memory, request, tools, () => answer(memory, request, tools))
        const timings = { ...answered.timings, stream, total: performance.now() - started }
        return { ...answered, ...missingOf(memory), timings }
      }),
    dispose: () => engine.close(),
  }
}

const missingOf = (memory: Memory): { missing?: Missing } => {
  const missing = memory.missing()
  return missing.files > 0 ? { missing } : {}
}

class Engine {
  readonly turns = new Turns()
  private loaded: { readonly key: string; readonly model: LoadedModel } | undefined
  private readonly memories = new Map<string, Memory>()

  constructor(private readonly log: (message: string) => void) {}

  options(request: StreamRequest, { signal, progress }: CallTools, turn: Turn): ReadOptions {
    return { signal, progress, turn, log: this.log, first: request.first }
  }

  /** The workspace's memory as it is held now. */
  async memory(request: StreamRequest, tools: CallTools): Promise<Memory> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    const loaded = await this.load(request, tools)
    const { breadcrumbs, memory: folder, memoryLimit: limit } = request
    const key = JSON.stringify([root, breadcrumbs, folder])
    let memory = this.memories.get(key)
    if (!memory) {
      memory = await Memory.open(root, loaded, { breadcrumbs, folder, limit, log: this.log })
      this.memories.set(key, memory)
    }
    return memory
  }

  /** For questions: brought to what is on disk, or, when they are to be answered now, as it is. */
  async ready(request: RecallRequest | AskRequest, questions: readonly string[], tools: CallTools): Promise<Memory> {
    const memory = await this.memory(request, tools)
    // A question is the most urgent there is: it gives way to nothing.
    const options = this.options(request, tools, uninterrupted)
    if (request.now !== true) await memory.read(options)
    else {
      if (!memory.hasLooked) await memory.look(options)
      memory.prefer(namedFiles(questions, memory.waiting()))
    }
    return memory
  }

  /** What a question finds damaged on disk is read again, and then it is asked again. */
  async repairing<T>(memory: Memory, request: StreamRequest, tools: CallTools, ask: () => Promise<T>): Promise<T> {
    for (;;)
      try {
        return await ask()
      } catch (thrown) {
        if (!(await memory.repair(this.options(request, tools, uninterrupted)))) throw thrown
      }
  }

  async close(): Promise<void> {
    await Promise.all([...this.memories.values()].map((memory) => memory.close()))
    this.memories.clear()
  }

  private async load(request: StreamRequest, tools: CallTools): Promise<LoadedModel> {
    const key = JSON.stringify([request.model, request.weights, request.threads, request.profile])
    if (this.loaded?.key === key) return this.loaded.model
    await this.close()
    this.loaded?.model.model.dispose()
    this.loaded = undefined
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
