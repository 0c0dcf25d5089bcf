/**
 * One workspace folder and its memory, as views see them: read in the background, paused, resumed, asked. One state says where it
 * stands. Questions go first: reading stops for them and goes on afterwards, and until all is read they are asked of what is held.
 * Files that are saved are read alone, ahead of all reading; what is typed and not saved is told with the next question.
 */
import { asLongreadError, cancelled, type LongreadError } from '../errors'
import type { EngineCalls } from '../protocol/calls'
import type { Mention } from '../protocol/chat'
import type {
  AskRequest,
  AskResult,
  Change,
  FolderContents,
  HeldFile,
  Progress,
  RecallRequest,
  RecallResult,
  Section,
  SectionId,
  SectionRequest,
  StreamRequest,
  StreamResult,
  Unit,
  UpdateResult,
} from '../protocol/types'
import { Changes, type ChangesOptions } from '../workspace/changes'
import type { CallOptions, EngineClient } from './client'
import { Unsaved } from './unsaved'

export type SessionState =
  /** Nobody has asked for it to be read. */
  | { readonly kind: 'unread' }
  | { readonly kind: 'no-model'; readonly error: LongreadError }
  /** `held` is what was read before, where only changes are read now. */
  | { readonly kind: 'reading'; readonly progress: Progress | undefined; readonly held: StreamResult | undefined }
  | { readonly kind: 'paused'; readonly progress: Progress | undefined; readonly held: StreamResult | undefined }
  | { readonly kind: 'ready'; readonly held: StreamResult }
  /** Files have changed since; they are being read, or will be with the next question. */
  | { readonly kind: 'stale'; readonly held: StreamResult }
  | { readonly kind: 'failed'; readonly error: LongreadError }

export type AskWhat = Omit<AskRequest, keyof StreamRequest | 'now'>
export type RecallWhat = Omit<RecallRequest, keyof StreamRequest | 'now'>

type Engine = Pick<EngineClient, 'call'>

export interface SessionOptions extends ChangesOptions {
  /** The texts that are open and not saved, by file. */
  readonly unsaved?: () => ReadonlyMap<string, string>
  /** Whether `changed` is told of every file that changes. Then a question need not look at all of them. */
  readonly watched?: () => boolean
}

/** They are looked at all the same after this time, for a watcher may lose something (ms). */
const longestUnseen = 5 * 60_000

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
  /** Calls of `update` in flight; all end with the session. */
  #updating = 0
  readonly #ended = new AbortController()
  readonly #changes: Changes
  readonly #unsaved: Unsaved

  /** When the files were last looked at from the start to the end: the start. */
  #seenAt = -Infinity
  readonly #watched: () => boolean
  readonly #now: () => number

  /** `request` gives the settings as they are now; it rejects with `no-model` where there is none. */
  constructor(
    private readonly engine: Engine,
    private readonly request: () => Promise<StreamRequest>,
    { unsaved, watched = () => false, ...changes }: SessionOptions = {},
  ) {
    this.#watched = watched
    this.#now = () => changes.clock?.now() ?? performance.now()
    this.#changes = new Changes((files) => void this.#update(files.map((file) => ({ file }))), changes)
    this.#unsaved = new Unsaved(unsaved)
  }

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

  /** Files were saved, removed or renamed (names relative to the root). They are read when it has been quiet for a moment. */
  changed(files: readonly string[]): void {
    const { kind } = this.#state
    // Before anything is read, after a failure and in a pause the next reading finds what has changed.
    if (files.length === 0 || !(kind === 'ready' || kind === 'stale' || kind === 'reading')) return
    this.#changes.add(files)
    if (this.#state.kind === 'ready') this.#set({ kind: 'stale', held: this.#state.held })
  }

  /** The settings have changed: what is held may be another model's, and what failed may do well now. */
  restart(): void {
    const begun = this.#reading !== undefined || this.#held !== undefined || this.#state.kind === 'failed'
    const read = this.#wanted || begun
    this.#held = undefined
    this.#progress = undefined
    this.#seenAt = -Infinity
    this.#unsaved.forget()
    this.#wanted = read
    if (this.#reading) this.#reading.abort.abort()
    else this.#set({ kind: 'unread' })
    this.#pump()
  }

  async ask(what: AskWhat, options: CallOptions = {}): Promise<AskResult> {
    return this.#first(options, (request, now, watched) =>
      this.engine.call('ask', { ...request, ...what, now }, watched),
    )
  }

  async recall(what: RecallWhat, options: CallOptions = {}): Promise<RecallResult[]> {
    return this.#first(options, (request, now, watched) =>
      this.engine.call('recall', { ...request, ...what, now }, watched),
    )
  }

  /** Files and units, when what has changed is read. */
  async outline(options: CallOptions = {}): Promise<HeldFile[]> {
    return this.#first(options, async (request, now, watched) => {
      if (!now) await this.engine.call('stream', request, watched)
      return this.engine.call('outline', request, watched)
    })
  }

  /** What lies in a folder of what is held now (`''`: the root), from so many files on. */
  folder(folder: string, from = 0): Promise<FolderContents> {
    return this.#look('folder', { folder, from }, { folders: [], files: [], more: 0 })
  }

  /** The units of a file, as far as it is held now. */
  units(file: string): Promise<readonly Unit[]> {
    return this.#look('units', { file }, [])
  }

  /** Files' texts as they are now, unsaved or on disk; empty where they have gone or may not be read any more. */
  texts(files: readonly string[]): Promise<readonly string[]> {
    return this.#look(
      'texts',
      { files },
      files.map(() => ''),
    )
  }

  /** What may be meant by what was typed after a `@`, of what is held now. */
  complete(text: string): Promise<Mention[]> {
    return this.#look('complete', { text }, [])
  }

  /** One section of a summary of what is held, or of a folder of it. */
  async section(
    section: SectionId,
    options: CallOptions & Pick<SectionRequest, 'folder' | 'reading'> = {},
  ): Promise<Section> {
    const { folder = '', reading } = options
    const how = { folder, ...(reading ? { reading } : {}) }
    return this.#first(options, (request, now, watched) =>
      this.engine.call('section', { ...request, section, ...how, now }, watched),
    )
  }

  dispose(): void {
    this.#ended.abort()
    this.#changes.close()
    this.#reading?.abort.abort()
    this.#listeners.clear()
  }

  /** A call that neither waits for reading nor stops it. */
  async #look<C extends 'folder' | 'units' | 'texts' | 'complete'>(
    name: C,
    what: Omit<EngineCalls[C]['request'], keyof StreamRequest>,
    nothing: EngineCalls[C]['result'],
  ): Promise<EngineCalls[C]['result']> {
    if (this.#held === undefined && this.#progress === undefined) return nothing
    const request = { ...(await this.request()), ...what } as EngineCalls[C]['request']
    return this.engine.call(name, request, { signal: this.#ended.signal })
  }

  /** Runs a call before any reading; reading goes on when no call is left. */
  async #first<T>(
    options: CallOptions,
    call: (request: StreamRequest, now: boolean, options: CallOptions) => Promise<T>,
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
      const watched = this.#isSeen
      const started = this.#now()
      // It is found by its words at once; the question does not wait for it.
      void this.#update(this.#unsaved.changes(), request)
      // The first reading of a big repository takes long: its part that is held can answer.
      const now = this.#held === undefined && (this.#progress?.done ?? 0) > 0
      if (this.#held === undefined && !now) this.#wanted = true
      const onRestart = () => {
        this.#unsaved.forget()
        options.onRestart?.()
      }
      const result = await call(watched ? { ...request, watched } : request, now, { ...options, onRestart })
      if (!watched && !now) this.#seenAt = Math.max(this.#seenAt, started)
      return result
    } finally {
      this.#asking--
      // A question reads what had changed; asking again tells how much is held now.
      if (this.#state.kind === 'stale' && !this.#isChanging) this.#wanted = true
      this.#pump()
    }
  }

  /** Has these read, ahead of all reading. Where that fails, they are read with everything else. */
  async #update(changes: readonly Change[], known?: StreamRequest): Promise<void> {
    if (changes.length === 0) return
    this.#updating++
    const { signal } = this.#ended
    const call = (request: StreamRequest) => this.engine.call('update', { ...request, changes }, { signal })
    // What is known already is told at once, before the question that comes next.
    const done = await (known ? call(known) : this.request().then(call)).catch(() => undefined)
    this.#updating--
    if (done) this.#updated(changes, done)
    if (!done || done.missing.files > 0) this.#wanted = !this.#paused
    this.#pump()
  }

  #updated(changes: readonly Change[], { held, skipped }: UpdateResult): void {
    if (!this.#held) return
    const changed = new Set(changes.map(({ file }) => file))
    const others = this.#held.skipped.filter(({ file }) => !changed.has(file))
    this.#held = { ...this.#held, ...held, skipped: [...others, ...skipped] }
    // Whoever reads now tells the state when it has ended.
    if (this.#state.kind === 'stale' || this.#state.kind === 'ready')
      this.#set({ kind: this.#isChanging ? 'stale' : 'ready', held: this.#held })
  }

  /** The engine knows of all that is on disk, as far as a watcher can tell. */
  get #isSeen(): boolean {
    const isQuiet = this.#state.kind === 'ready' && !this.#reading && !this.#wanted && !this.#isChanging
    return isQuiet && this.#now() - this.#seenAt < longestUnseen && this.#watched()
  }

  /** Changes are being read, or will be in a moment. */
  get #isChanging(): boolean {
    return this.#updating > 0 || this.#changes.waiting
  }

  #pump(): void {
    if (!this.#wanted || this.#paused || this.#reading || this.#asking > 0 || this.#ended.signal.aborted) return
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
    const started = this.#now()
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
      this.#seenAt = started
      return this.#wanted || this.#isChanging ? { kind: 'stale', held } : { kind: 'ready', held }
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
    if (this.#ended.signal.aborted) return
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }
}
