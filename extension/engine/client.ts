/**
 * The engine as the rest of Longread sees it: calls that can be cancelled and survive the death of the process that serves them.
 * The process is forked with the first call; when it dies, it is forked again and what it was doing is asked of the new one,
 * once. It is killed when it does not answer to being cancelled.
 */
import { join } from 'node:path'
import { CancellationTokenSource } from 'vscode-jsonrpc/node'
import { cancelled, engineDied } from '../errors'
import type { EngineCall, EngineCalls } from '../protocol/calls'
import type { Device, Progress } from '../protocol/types'
import { EngineChild, type End } from './child'
import type { Log } from './handlers-type'
import { fromResponseError, type CallEvent } from './wire'

export interface EngineClientOptions {
  /** Module that exports `createHandlers` (handlers-type.ts); the engine's own when left out. */
  readonly handlers?: string
  /** Other programs, above all the editor, go first where the processor is short. */
  readonly yielding?: boolean
  /** Something that a person should know and nothing has to be done about. */
  readonly onNotice?: (message: string) => void
  /** What the process logs and writes to stdout and stderr. */
  readonly onLog?: Log
  /** What computes, each time a model is loaded. */
  readonly onDevice?: (device: Device) => void
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  readonly onText?: (text: string) => void
  /** The request is asked again from the start: text and progress so far do not count. */
  readonly onRestart?: () => void
}

/** Milliseconds a cancelled call has to end before the process is killed; with what follows, cancelling takes under a second. */
const CANCEL_MS = 800
/** Milliseconds that a process has to end when it is no longer needed. */
const CLOSE_MS = 1000

export class EngineClient {
  #child: EngineChild | undefined
  /** Processes that this client killed: calls that had the bad luck to share one are repeated without counting it. */
  readonly #killed = new WeakSet<EngineChild>()
  /** Every process that has not ended yet. */
  readonly #alive = new Set<EngineChild>()
  readonly #noticed = new WeakSet<EngineChild>()
  readonly #disposed = new AbortController()
  /** A process that computed on a GPU crashed: from then on the processor computes. */
  #withoutGpu = false

  constructor(private readonly options: EngineClientOptions = {}) {}

  /** @throws LongreadError what the handler threw; `cancelled` within a second of `signal`; `engine-died` when it died twice. */
  async call<C extends EngineCall>(
    name: C,
    request: EngineCalls[C]['request'],
    options: CallOptions = {},
  ): Promise<EngineCalls[C]['result']> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#disposed.signal]) : this.#disposed.signal
    throwIfCancelled(signal)
    for (let deaths = 0; ; ) {
      const child = this.#running()
      const asked = this.#withoutGpu && 'device' in request ? { ...request, device: 'cpu' as const } : request
      const outcome = await this.#attempt(child, name, asked, signal, options).catch((error: unknown) => {
        throwIfCancelled(signal)
        throw fromResponseError(error)
      })
      // Whatever came in the meantime, who cancelled does not wait for it any more.
      throwIfCancelled(signal)
      if ('result' in outcome) return outcome.result
      if (!this.#killed.has(child) && ++deaths === 2) throw engineDied(toldWithLastLine(outcome.end))
      if (!this.#noticed.has(child)) {
        this.#noticed.add(child)
        this.options.onNotice?.(this.#afterDeath(child, outcome.end))
      }
      options.onRestart?.()
    }
  }

  /** Ends the process; calls that are running reject with `cancelled`. Nothing of it is left when this settles. */
  async dispose(): Promise<void> {
    this.#disposed.abort()
    await Promise.all([...this.#alive].map((child) => child.close(CLOSE_MS)))
  }

  /** What is told, and done about it: a crash while a GPU computed is taken for the GPU's or its driver's. */
  #afterDeath({ device }: EngineChild, { how }: End): string {
    const crashed = how !== 'SIGKILL' && how !== 'SIGTERM' && how !== 'SIGINT'
    if (device?.kind !== 'cuda' || !crashed)
      return `The engine stopped (${how}) and was started again; the request is repeated.`
    this.#withoutGpu = true
    return `The engine stopped (${how}) while ${device.name} computed; the request is repeated on the processor, which computes from now on.`
  }

  #running(): EngineChild {
    if (this.#child?.usable) return this.#child
    const child = new EngineChild(
      this.options.handlers ?? join(__dirname, 'handlers.js'),
      (level, message) => this.options.onLog?.(level, message),
      this.options.yielding === true,
      (device) => this.options.onDevice?.(device),
    )
    this.#child = child
    this.#alive.add(child)
    void child.ended.then(({ how }) => {
      this.#alive.delete(child)
      this.options.onLog?.('debug', `the engine process ended (${how})`)
    })
    return child
  }

  /** Asks one process; the outcome is the result, or how the process ended before there was one. */
  async #attempt<C extends EngineCall>(
    child: EngineChild,
    name: C,
    request: EngineCalls[C]['request'],
    signal: AbortSignal,
    { onProgress, onText }: CallOptions,
  ): Promise<{ readonly result: EngineCalls[C]['result'] } | { readonly end: End }> {
    const cancellation = new CancellationTokenSource()
    let timer: NodeJS.Timeout | undefined
    let onAbort: () => void = () => undefined
    const overdue = new Promise<never>((_, reject) => {
      onAbort = () => {
        cancellation.cancel()
        timer = setTimeout(() => {
          this.#killed.add(child)
          child.kill()
          reject(cancelled())
        }, CANCEL_MS)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
    const onEvent = (happened: CallEvent) => {
      if (signal.aborted) return
      if (happened.event === 'progress') onProgress?.(happened.value)
      else onText?.(happened.value.text)
    }
    try {
      return await Promise.race([
        child.call(name, request, cancellation.token, onEvent).then((result) => ({ result })),
        child.ended.then((end) => ({ end })),
        overdue,
      ])
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      cancellation.dispose()
    }
  }
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled()
}

const toldWithLastLine = ({ how, lastLine }: End): string => (lastLine === undefined ? how : `${how}: ${lastLine}`)
