/**
 * What the engine process does for its client: one model, one memory a workspace, the calls of protocol/calls.ts. A call reads
 * what has changed on disk before it answers, so that every answer is about the files as they are. A model without a profile
 * gets one from the first workspace it reads, before that call is served or beside the calls that follow.
 */
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { answer } from '../answer/answer'
import { asLongreadError, LongreadError, noFolder } from '../errors'
import type {
  CalibrateRequest,
  CalibrateResult,
  EngineOptions,
  Progress,
  StreamRequest,
  StreamResult,
} from '../protocol/types'
import type { Step } from '../recall/calibration/features'
import { Memory, type LoadedModel } from '../recall/memory'
import { profileFor, readProfile, wordsOnly, type Profile } from '../recall/profile'
import { recall } from '../recall/recall'
import { cancellable, librariesFolder, loadAddon } from './addon'
import { calibratedLine, calibrateOn, keptProfile, requestFor } from './calibrating'
import type { CallTools, EngineHandlers, HandlersContext, Log } from './handlers-type'
import { fingerprint, readModelFile } from './model-file'
import { Turns } from './turns'

export function createHandlers({ log }: HandlersContext): EngineHandlers {
  const engine = new Engine(log)
  return {
    stream: (request, tools) => engine.turns.take(async () => (await engine.read(request, tools)).result),
    recall: (request, tools) =>
      engine.turns.take(async () => {
        const { memory } = await engine.read(request, tools)
        const results = []
        for (const question of request.questions) results.push(await recall(memory, question, request, tools))
        return results
      }),
    ask: (request, tools) =>
      engine.turns.take(async () => {
        const started = performance.now()
        const { memory } = await engine.read(request, tools)
        const stream = performance.now() - started
        const { timings, ...rest } = await answer(memory, request, tools)
        return { ...rest, timings: { ...timings, stream, total: performance.now() - started } }
      }),
    calibrate: (request, tools) => engine.turns.take(() => engine.calibrate(request, tools)),
    dispose: () => engine.dispose(),
  }
}

type Loaded = Omit<LoadedModel, 'profile'>

class Engine {
  readonly turns = new Turns()
  private loaded: { readonly key: string; readonly model: LoadedModel } | undefined
  private readonly memories = new Map<string, Memory>()
  /** The calibration beside the calls, for the model that is loaded. */
  private background: AbortController | undefined
  /** Models that were told to have no profile, and those that calibrating failed for: neither is done twice. */
  private readonly told = new Set<string>()

  constructor(private readonly log: Log) {}

  /** The workspace's memory, brought to what is on disk. */
  async read(request: StreamRequest, tools: CallTools): Promise<{ memory: Memory; result: StreamResult }> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    let loaded = await this.load(request, tools)
    if (loaded.profile.heads.length === 0) loaded = await this.withoutProfile(loaded, request, root, tools)
    const key = createHash('sha256')
      .update(JSON.stringify([root, request.breadcrumbs]))
      .digest('hex')
    let memory = this.memories.get(key)
    if (!memory) this.memories.set(key, (memory = new Memory(root, loaded)))
    const result = await memory.read({
      breadcrumbs: request.breadcrumbs,
      folder: request.memory === null ? null : path.join(request.memory, 'segments'),
      signal: tools.signal,
      progress: tools.progress,
      log: (message) => this.log('warn', message),
    })
    return { memory, result }
  }

  async calibrate(request: CalibrateRequest, tools: CallTools): Promise<CalibrateResult> {
    const loaded = await this.load({ ...request, profile: null }, tools)
    if (request.keep && profileFor(loaded.model.info()) !== undefined)
      throw new LongreadError(
        'usage',
        'A profile ships for this model, and what is kept would not be used: give --out FILE, and then --profile FILE.',
      )
    const step: Step = (work) => work(tools.signal)
    const { profile, result } = await calibrateOn(loaded, request, tools, { step, keepSegments: true })
    if (request.keep) this.use(loaded, profile)
    return result
  }

  dispose(): Promise<void> {
    this.background?.abort()
    return Promise.resolve()
  }

  /** Nobody knows yet which heads of this model find code: finds out, now or beside the calls, and says so. */
  private async withoutProfile(
    loaded: LoadedModel,
    request: StreamRequest,
    root: string,
    tools: CallTools,
  ): Promise<LoadedModel> {
    const name = loaded.model.info().name || loaded.model.info().architecture
    const known = this.told.has(loaded.fingerprint)
    this.told.add(loaded.fingerprint)
    const tell = (message: string) => this.log('warn', message)
    const none = `There is no profile for ${name}: nobody has measured which of its heads find code.`
    const words = 'Until there is one, words alone and reading again find it.'
    const { calibrate: when = 'background' } = request
    if (known) return this.loaded?.model ?? loaded
    if (when === 'never') {
      tell(`${none} ${words} "longread calibrate DIR" makes one.`)
      return loaded
    }
    tell(
      `${none} It is calibrated now on documented functions of this folder, once.${when === 'first' ? '' : ` ${words}`}`,
    )
    const own = requestFor(request, root)
    if (when === 'background') {
      this.calibrateBeside(loaded, own)
      return loaded
    }
    try {
      const step: Step = (work) => work(tools.signal)
      const { profile, result } = await calibrateOn(loaded, own, tools, { step, keepSegments: false })
      tell(calibratedLine(result))
      return this.use(loaded, profile)
    } catch (thrown) {
      const error = asLongreadError(thrown)
      if (error.code !== 'bad-corpus') {
        this.told.delete(loaded.fingerprint)
        throw error
      }
      tell(`${error.message} ${words}`)
      return loaded
    }
  }

  private calibrateBeside(loaded: LoadedModel, request: CalibrateRequest): void {
    const abort = (this.background = new AbortController())
    const tools = { signal: abort.signal, progress: () => undefined, log: this.log }
    const step = this.turns.between(abort.signal)
    const tell = (message: string) => this.log('warn', message)
    calibrateOn(loaded, request, tools, { step, keepSegments: false })
      .then(({ profile, result }) => {
        if (abort.signal.aborted) return
        this.use(loaded, profile)
        tell(`${calibratedLine(result)} The workspace is read with it from the next question on.`)
      })
      .catch((thrown: unknown) => {
        // Whoever loads this model again calibrates it again.
        if (abort.signal.aborted) this.told.delete(loaded.fingerprint)
        else tell(`${asLongreadError(thrown).message} Words alone and reading again find code.`)
      })
  }

  /** From the next call on, the model that is loaded has this profile. */
  private use(loaded: Loaded, profile: Profile): LoadedModel {
    const model = { ...loaded, profile }
    if (this.loaded?.model.model !== loaded.model) return model
    this.loaded = { key: this.loaded.key, model }
    this.memories.clear()
    return model
  }

  private async load(
    request: EngineOptions & { readonly memory: string | null },
    tools: CallTools,
  ): Promise<LoadedModel> {
    const key = JSON.stringify([request.model, request.weights, request.threads, request.profile])
    if (this.loaded?.key === key) return this.loaded.model
    this.background?.abort()
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
    // Transcoded weights give other keys than the file's own.
    const loaded: Loaded = { addon, model, threads, fingerprint: `${fingerprint(request.model)}-${request.weights}` }
    const profile =
      request.profile === null
        ? (profileFor(model.info()) ?? (await keptProfile(request.memory, loaded)) ?? wordsOnly(model.info()))
        : await readProfile(request.profile, model.info())
    this.loaded = { key, model: { ...loaded, profile } }
    return this.loaded.model
  }
}
