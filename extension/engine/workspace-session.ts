/**
 * One workspace folder and its memory, as views see them: read in the background, paused, resumed, asked. One state says where it
 * stands. Questions go first: reading stops for them and goes on afterwards, and until all is read they are asked of what is held.
 */
import { asLongreadError, cancelled, type LongreadError } from '../errors'
import type {
  AskRequest,
  AskResult,
  HeldFile,
  Progress,
  RecallRequest,
  RecallResult,
  Section,
  SectionId,
  StreamRequest,
  StreamResult,
} from '../protocol/types'
import type { CallOptions, EngineClient } from './client'

export type SessionState =
  /** Nobody has asked for it to be read. */
  | { readonly kind: 'unread' }
  | { readonly kind: 'no-model'; readonly error: LongreadError }
  /** `held` is what was read before, where only changes are read now. */
  | { readonly kind: 'reading'; readonly progress: Progress | undefined; readonly held: StreamResult | undefined }
  | { readonly kind: 'paused'; readonly progress: Progress | undefined; readonly held: StreamResult | undefined }
  | { readonly kind: 'ready'; readonly held: StreamResult }
  /** Files have changed since, and are read with the next question or on demand. */
  | { readonly kind: 'stale'; readonly held: StreamResult }
  | { readonly kind: 'failed'; readonly error: LongreadError }

export type AskWhat = Omit<AskRequest, keyof StreamRequest | 'heldOnly'>
export type RecallWhat = Omit<RecallRequest, keyof StreamRequest | 'heldOnly'>

type Engine = Pick<EngineClient, 'call'>

export class WorkspaceSession {
  #state: SessionState = { kind: 'unread' }
  readonly #listeners = new Set<(state: SessionState) => void>()
  #held: StreamResult | undefined
  #progress: Progress | undefined
  /** The read in flight, and how to stop it. */
  #reading: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined
  #wanted = false
  #paused = false
  #asking = 0
  #disposed = false

  /** `request` gives the settings as they are now; it rejects with `no-model` where there is none. */
  constructor(
    private readonly engine: Engine,
    private readonly request: () => Promise<StreamRequest>,
  ) {}

  get state(): SessionState {
    return this.#state
  }

  /** Gives a function that ends listening. */
  onDidChange(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads what has changed, in the background; also after a pause or a failure. Joins what is being read. */
  read(): void {
    if (!this.#reading) this.#wanted = true
    this.#paused = false
    this.#pump()
  }

  /** Stops reading until `read`. What was read stays. */
  pause(): void {
    if (!this.#reading && !this.#wanted) return
    this.#paused = true
    this.#wanted = true
    if (this.#reading) this.#reading.abort.abort()
    else this.#set({ kind: 'paused', progress: this.#progress, held: this.#held })
  }

  /** Files have changed. They are read with the next `read` or question. */
  changed(): void {
    if (this.#state.kind === 'ready') this.#set({ kind: 'stale', held: this.#state.held })
    else if (this.#reading) this.#wanted = true
  }

  /** The settings have changed: what is held may be another model's. */
  restart(): void {
    const read = this.#wanted || this.#reading !== undefined || this.#held !== undefined
    this.#held = undefined
    this.#progress = undefined
    this.#wanted = read
    if (this.#reading) this.#reading.abort.abort()
    else this.#set({ kind: 'unread' })
    this.#pump()
  }

  async ask(what: AskWhat, options: CallOptions = {}): Promise<AskResult> {
    return this.#first(options, (request, heldOnly, watched) =>
      this.engine.call('ask', { ...request, ...what, heldOnly }, watched),
    )
  }

  async recall(what: RecallWhat, options: CallOptions = {}): Promise<RecallResult[]> {
    return this.#first(options, (request, heldOnly, watched) =>
      this.engine.call('recall', { ...request, ...what, heldOnly }, watched),
    )
  }

  /** Files and units that are held now. Waits for no reading to end, unless what has changed is to be read before. */
  async outline(options: CallOptions & { readonly read?: boolean } = {}): Promise<HeldFile[]> {
    if (!options.read && this.#held === undefined && this.#progress === undefined) return []
    return this.#first(options, async (request, heldOnly, watched) => {
      if (options.read && !heldOnly) await this.engine.call('stream', request, watched)
      return this.engine.call('outline', request, watched)
    })
  }

  /** One section of a summary of what is held. */
  async section(section: SectionId, options: CallOptions = {}): Promise<Section> {
    return this.#first(options, (request, heldOnly, watched) =>
      this.engine.call('section', { ...request, section, heldOnly }, watched),
    )
  }

  dispose(): void {
    this.#disposed = true
    this.#reading?.abort.abort()
    this.#listeners.clear()
  }

  /** Runs a call before any reading; reading goes on when no call is left. */
  async #first<T>(
    options: CallOptions,
    call: (request: StreamRequest, heldOnly: boolean, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    this.#asking++
    try {
      const request = await this.request().catch((thrown: unknown) => {
        throw this.#tell(thrown)
      })
      if (this.#reading) {
        this.#wanted = true
        this.#reading.abort.abort()
        await this.#reading.ended
      }
      if (options.signal?.aborted) throw cancelled()
      // The first reading of a big repository takes long: its part that is held can answer.
      const heldOnly = this.#held === undefined && (this.#progress?.done ?? 0) > 0
      if (this.#held === undefined && !heldOnly) this.#wanted = true
      return await call(request, heldOnly, options)
    } finally {
      this.#asking--
      // A question reads what had changed; asking again tells how much is held now.
      if (this.#state.kind === 'stale') this.#wanted = true
      this.#pump()
    }
  }

  #pump(): void {
    if (!this.#wanted || this.#paused || this.#reading || this.#asking > 0 || this.#disposed) return
    this.#wanted = false
    const abort = new AbortController()
    this.#set({ kind: 'reading', progress: this.#progress, held: this.#held })
    const ended = this.#readOnce(abort.signal).then((state) => {
      this.#reading = undefined
      this.#set(state)
      this.#pump()
    })
    this.#reading = { abort, ended }
  }

  /** Where the session stands after it. */
  async #readOnce(signal: AbortSignal): Promise<SessionState> {
    try {
      const held = await this.engine.call('stream', await this.request(), {
        signal,
        onProgress: (progress) => {
          this.#progress = progress
          this.#set({ kind: 'reading', progress, held: this.#held })
        },
      })
      this.#held = held
      this.#progress = undefined
      return this.#wanted ? { kind: 'stale', held } : { kind: 'ready', held }
    } catch (thrown) {
      if (!signal.aborted) return this.#failed(thrown)
      const where = { progress: this.#progress, held: this.#held }
      return this.#paused ? { kind: 'paused', ...where } : { kind: 'reading', ...where }
    }
  }

  #failed(thrown: unknown): SessionState {
    const error = asLongreadError(thrown)
    return error.code === 'no-model' ? { kind: 'no-model', error } : { kind: 'failed', error }
  }

  /** Shows what went wrong as the state where nothing works without mending it, and gives it back. */
  #tell(thrown: unknown): unknown {
    const state = this.#failed(thrown)
    if (state.kind === 'no-model') this.#set(state)
    return thrown
  }

  #set(state: SessionState): void {
    if (this.#disposed) return
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }
}
