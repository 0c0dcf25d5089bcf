/**
 * What the engine process does for its client: one model, one memory a workspace, the calls of protocol/calls.ts. Unless it is
 * asked to answer now, a question reads what has changed on disk before, so that every answer is about the files as they are. A
 * model without a profile gets one from the first workspace it reads, before that call is served or beside the calls that follow.
 */
import { realpath } from 'node:fs/promises'
import * as os from 'node:os'
import { answer } from '../answer/answer'
import { chat } from '../answer/chat'
import { meantBy } from '../answer/conversation'
import { completeAll } from '../answer/mentions'
import { summarySection, type AskAll } from '../answer/summary/from-memory'
import { asLongreadError, LongreadError, noEightBits, noFolder } from '../errors'
import type {
  CalibrateRequest,
  CalibrateResult,
  EngineOptions,
  Missing,
  QuestionOptions,
  RecallResult,
  StreamRequest,
} from '../protocol/types'
import { MemoryStreams } from '../infllm/asking'
import { chooseReading } from '../infllm/choice'
import { namedFiles } from '../recall/backlog'
import type { Step } from '../recall/calibration/features'
import { contentsOf } from '../recall/contents'
import type { LoadedModel } from '../recall/loaded'
import { Memory, type ReadOptions } from '../recall/memory'
import { profileFor, readProfile, wordsOnly, type Profile } from '../recall/profile'
import { recall, textOf } from '../recall/recall'
import { librariesFolder, loadAddon, type NativeModel } from './addon'
import { calibratedLine, calibrateOn, keptProfile, requestFor } from './calibrating'
import { chooseDevice, ownKernels } from './cuda'
import type { CallTools, EngineHandlers, HandlersContext, Log } from './handlers-type'
import { loadModel } from './loading'
import { fingerprint, readModelFile } from './model-file'
import { Turns, uninterrupted, type Turn } from './turns'
import { WarmUp } from './warm-up'
import { Warming } from './warming'

export function createHandlers({ log, device }: HandlersContext): EngineHandlers {
  const engine = new Engine(log, device)
  return {
    stream: (request, tools) =>
      engine.turns.take('read', tools.signal, async (turn) => {
        const memory = await engine.memory(request, tools)
        const result = await memory.read(engine.options(request, tools, turn))
        engine.warming.soon(memory)
        return result
      }),
    update: async (request, tools) => {
      const started = performance.now()
      const { changes } = request
      const note = async (turn: Turn) =>
        (await engine.memory(request, tools)).note(changes, engine.options(request, tools, turn))
      // What is typed is told right before a question, which has to know of it though another question is being answered.
      const typed = changes.some(({ text }) => text !== undefined)
      if (typed) await engine.turns.take('question', tools.signal, () => note(uninterrupted))
      return engine.turns.take('update', tools.signal, async (turn) => {
        if (!typed) await note(turn)
        const memory = await engine.memory(request, tools)
        return memory.readNoted(changes, engine.options(request, tools, turn), started)
      })
    },
    streamMemory: (request, tools) =>
      engine.turns.take('read', tools.signal, () => engine.streams.read(request, request.reading, engine, tools)),
    recall: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const memory = await engine.ready(request, request.questions, tools)
        const results: RecallResult[] = []
        for (const question of request.questions) {
          const meant = meantBy(question, request.before ?? [])
          const found = await engine.repairing(memory, request, tools, () => recall(memory, meant, request, tools))
          results.push({ ...found, question, ...missingOf(memory) })
        }
        return results
      }),
    ask: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const started = performance.now()
        // Who points at code gets it read.
        const asked = request.within ? 'afresh' : request.reading
        const { reading, from } = chooseReading(asked, (await engine.load(request, tools)).profile)
        if (reading) return { ...(await engine.streams.ask(request, reading, engine, tools)), from }
        const memory = await engine.ready(request, [request.question], tools)
        const stream = performance.now() - started
        const answered = await engine.repairing(memory, request, tools, () => answer(memory, request, tools))
        const timings = { ...answered.timings, stream, total: performance.now() - started }
        return { ...answered, from, ...missingOf(memory), timings }
      }),
    chat: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const loaded = await engine.load(request, tools)
        await engine.warmUp?.wait('answer', tools)
        return chat(loaded, request, tools)
      }),
    section: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => {
        const memory = await engine.ready(request, [], tools)
        const { reading, from } = chooseReading(request.reading, memory.loaded.profile)
        const quiet = { ...tools, text: () => undefined }
        const askAll: AskAll | undefined =
          reading && ((asked) => engine.streams.ask({ ...request, ...asked, now: false }, reading, engine, quiet))
        return engine.repairing(memory, request, tools, () => summarySection(memory, request, tools, { from, askAll }))
      }),
    outline: (request, tools) =>
      engine.turns.take('question', tools.signal, async () => (await engine.memory(request, tools)).outline()),
    folder: async (request) => contentsOf((await engine.held(request))?.sizes() ?? [], request.folder, request.from),
    units: async (request) => (await engine.held(request))?.unitsOf(request.file) ?? [],
    texts: async (request) => {
      const memory = await engine.held(request)
      return memory ? Promise.all(request.files.map((file) => textOf(memory, file))) : request.files.map(() => '')
    },
    complete: async (request, { signal }) =>
      completeAll(request.text, (await engine.held(request))?.outline() ?? [], signal),
    calibrate: (request, tools) => engine.turns.take('read', tools.signal, () => engine.calibrate(request, tools)),
    dispose: () => engine.dispose(),
  }
}

const missingOf = (memory: Memory): { missing?: Missing } => {
  const missing = memory.missing()
  return missing.files > 0 ? { missing } : {}
}

type Loaded = Omit<LoadedModel, 'profile'>

const loadKey = ({ model, weights, threads, profile, device, gpuLayers }: EngineOptions): string =>
  JSON.stringify([model, weights, threads, profile, device, gpuLayers])

const memoryKey = (root: string, { breadcrumbs, memory }: StreamRequest): string =>
  JSON.stringify([root, breadcrumbs, memory])

class Engine {
  readonly turns = new Turns()
  readonly streams = new MemoryStreams()
  readonly warming = new Warming(this.turns, (tools) => this.warmUp?.wait('answer', tools) ?? Promise.resolve())
  /** Of the model that is loaded, where a GPU computes. */
  warmUp: WarmUp | undefined
  private loaded: { readonly key: string; readonly model: LoadedModel } | undefined
  private beside: NativeModel | undefined
  private readonly memories = new Map<string, Memory>()

  /** The calibration beside the calls, for the model that is loaded. */
  private background: AbortController | undefined
  /** Models that were told to have no profile, and those that calibrating failed for: neither is done twice. */
  private readonly told = new Set<string>()

  constructor(
    private readonly log: Log,
    private readonly device: HandlersContext['device'],
  ) {}

  private readonly warn = (message: string) => this.log('warn', message)

  options(request: StreamRequest, { signal, progress }: CallTools, turn: Turn): ReadOptions {
    return { signal, progress, turn, log: this.warn, first: request.first }
  }

  /** The workspace's memory as it is held now. */
  async memory(request: StreamRequest, tools: CallTools): Promise<Memory> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    let loaded = await this.load(request, tools)
    if (loaded.profile.heads.length === 0) loaded = await this.withoutProfile(loaded, request, root, tools)
    const { breadcrumbs, memory: folder, memoryLimit: limit } = request
    const key = memoryKey(root, request)
    let memory = this.memories.get(key)
    if (!memory) {
      memory = await Memory.open(root, loaded, { breadcrumbs, folder, limit, log: this.warn })
      this.memories.set(key, memory)
    }
    return memory
  }

  /** The same where it is there already: nothing is loaded, and nobody waited for. */
  async held(request: StreamRequest): Promise<Memory | undefined> {
    const root = await realpath(request.root).catch(() => undefined)
    return root === undefined || this.loaded?.key !== loadKey(request)
      ? undefined
      : this.memories.get(memoryKey(root, request))
  }

  /** For questions: brought to what is on disk, or, when they are to be answered now, as it is. */
  async ready(
    request: StreamRequest & Pick<QuestionOptions, 'now'>,
    questions: readonly string[],
    tools: CallTools,
  ): Promise<Memory> {
    const memory = await this.memory(request, tools)
    // A question is the most urgent there is: it gives way to nothing.
    const options = { ...this.options(request, tools, uninterrupted), watched: request.watched }
    if (request.now !== true) await memory.read(options)
    else {
      if (!memory.hasLooked) await memory.look(options)
      memory.prefer(namedFiles(questions, memory.waiting()))
      await memory.readFirst(options)
    }
    await this.warmUp?.wait('answer', tools)
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

  async calibrate(request: CalibrateRequest, tools: CallTools): Promise<CalibrateResult> {
    const loaded = await this.load({ ...request, profile: null }, tools)
    if (request.keep && profileFor(loaded.model.info()) !== undefined)
      throw new LongreadError(
        'usage',
        'A profile ships for this model, and what is kept would not be used: give --out FILE, and then --profile FILE.',
      )
    const step: Step = (work) => work(tools.signal)
    const { profile, result } = await calibrateOn(loaded, request, tools, { step, keepSegments: true })
    if (request.keep) await this.use(loaded, profile)
    return result
  }

  async dispose(): Promise<void> {
    this.background?.abort()
    this.warming.end()
    this.warmUp?.end()
    this.streams.close()
    await this.close()
  }

  /** No profile ships for this model: takes the one that was kept, or finds out which heads find code, now or beside the calls. */
  private async withoutProfile(
    loaded: LoadedModel,
    request: StreamRequest,
    root: string,
    tools: CallTools,
  ): Promise<LoadedModel> {
    const name = loaded.model.info().name || loaded.model.info().architecture
    if (this.told.has(loaded.fingerprint)) return this.loaded?.model ?? loaded
    const kept = await keptProfile(request.memory, loaded)
    if (kept) return await this.use(loaded, kept)
    this.told.add(loaded.fingerprint)
    const none = `There is no profile for ${name}: nobody has measured which of its heads find code.`
    const words = 'Until there is one, words alone and reading again find it.'
    const { calibrate: when = 'background' } = request
    if (when === 'never') {
      this.warn(`${none} ${words} "longread calibrate DIR" makes one.`)
      return loaded
    }
    this.warn(
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
      this.warn(calibratedLine(result))
      return await this.use(loaded, profile)
    } catch (thrown) {
      const error = asLongreadError(thrown)
      if (error.code !== 'bad-corpus') {
        this.told.delete(loaded.fingerprint)
        throw error
      }
      this.warn(`${error.message} ${words}`)
      return loaded
    }
  }

  private calibrateBeside(loaded: LoadedModel, request: CalibrateRequest): void {
    const abort = (this.background = new AbortController())
    const tools = { signal: abort.signal, progress: () => undefined, log: this.log }
    const step = this.turns.between(abort.signal)
    calibrateOn(loaded, request, tools, { step, keepSegments: false })
      .then(async ({ profile, result }) => {
        if (abort.signal.aborted) return
        await this.use(loaded, profile)
        this.warn(`${calibratedLine(result)} The workspace is read with it from the next question on.`)
      })
      .catch((thrown: unknown) => {
        // Whoever loads this model again calibrates it again.
        if (abort.signal.aborted) this.told.delete(loaded.fingerprint)
        else this.warn(`${asLongreadError(thrown).message} Words alone and reading again find code.`)
      })
  }

  /** From the next call on, the model that is loaded has this profile. */
  private async use(loaded: Loaded, profile: Profile): Promise<LoadedModel> {
    const model = { ...loaded, profile }
    if (this.loaded?.model.model !== loaded.model) return model
    this.loaded = { key: this.loaded.key, model }
    await this.close()
    return model
  }

  /** Lets go of all memories. */
  private async close(): Promise<void> {
    await Promise.all([...this.memories.values()].map((memory) => memory.close()))
    this.memories.clear()
  }

  async load(request: EngineOptions, tools: CallTools): Promise<LoadedModel> {
    const { model: path, weights, gpuLayers } = request
    const key = loadKey(request)
    if (this.loaded?.key === key) {
      const { model } = this.loaded
      await this.warmUp?.wait('read', tools)
      return model
    }
    this.background?.abort()
    await this.close()
    this.streams.close()
    this.warmUp?.end()
    this.warmUp = undefined
    this.loaded?.model.model.dispose()
    this.loaded = undefined
    this.beside?.dispose()
    this.beside = undefined
    readModelFile(request.model)
    const addon = loadAddon()
    const threads = threadsOf(request)
    const libraries = librariesFolder()
    const { kind: device, name } = await chooseDevice(addon, request.device, this.log, libraries)
    // A crash while the model is loaded is the GPU's, too.
    if (device === 'cuda') this.device({ kind: device, name, memoryFree: 0, memoryTotal: 0, layers: 0, whole: false })
    const kernels = device === 'cuda' ? ownKernels(libraries) : {}
    const options = {
      path,
      weights,
      threads,
      libraries,
      device,
      ...kernels,
      ...(gpuLayers === undefined ? {} : { gpuLayers }),
    }
    const model = await loadModel(addon, options, tools)
    const { kernels: refusal, together } = model.info()
    if (weights === 'fp8' && together === 0) {
      model.dispose()
      throw noEightBits(refusal)
    }
    const why = refusal === '' && device === 'cuda' && !('kernels' in kernels) ? 'this build has none' : refusal
    if (why !== '') this.log('info', `Files are read without our own CUDA kernels: ${why}.`)
    this.device(model.info().device)
    // Transcoded weights give other keys than the file's own.
    const loaded: Loaded = { addon, model, threads, fingerprint: `${fingerprint(request.model)}-${request.weights}` }
    const profile =
      request.profile === null
        ? (profileFor(model.info()) ?? wordsOnly(model.info()))
        : await readProfile(request.profile, model.info())
    this.loaded = { key, model: { ...loaded, profile } }
    const { model: ready } = this.loaded
    if (device === 'cuda') {
      this.warmUp = new WarmUp(addon, model)
      await this.warmUp.wait('read', tools)
    }
    return ready
  }

  /** The same model on the processor, beside the one that is loaded on a GPU. */
  async onProcessor(request: EngineOptions, tools: CallTools): Promise<LoadedModel> {
    const loaded = await this.load(request, tools)
    const { addon, model, fingerprint, profile } = loaded
    if (model.info().device.kind === 'cpu') return loaded
    const threads = threadsOf(request)
    const { model: path, weights } = request
    this.beside ??= await loadModel(addon, { path, weights, threads, libraries: librariesFolder() }, tools)
    return { addon, model: this.beside, threads, fingerprint, profile }
  }
}

const threadsOf = ({ threads }: EngineOptions): number => (threads > 0 ? threads : os.availableParallelism())
