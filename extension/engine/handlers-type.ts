/** What the engine process runs: one handler a call, made once a process by a module that exports `createHandlers`. */
import type { EngineCall, EngineCalls, EngineEvents } from '../protocol/calls'
import type { Device, Progress } from '../protocol/types'

export type Log = (level: EngineEvents['log']['level'], message: string) => void

/** What a handler is given beside its request. */
export interface CallTools {
  /** Aborted when the client cancels; the handler then throws `cancelled()` within a batch. */
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  /** A piece of the answer. */
  readonly text: (text: string) => void
  readonly log: Log
}

export type CallHandlers = {
  readonly [C in EngineCall]: (
    request: EngineCalls[C]['request'],
    tools: CallTools,
  ) => Promise<EngineCalls[C]['result']>
}

export interface EngineHandlers extends CallHandlers {
  /** Called once before the process ends on its own will; has half a second. */
  readonly dispose?: () => Promise<void>
}

export interface HandlersContext {
  readonly log: Log
  /** Tells what computes from now on. */
  readonly device: (device: Device) => void
}

export interface HandlersModule {
  readonly createHandlers: (context: HandlersContext) => EngineHandlers | Promise<EngineHandlers>
}
