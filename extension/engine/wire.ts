/** How calls, their events and their errors look on the channel between client and engine process (vscode-jsonrpc over IPC). */
import {
  ErrorCodes,
  NotificationType,
  ParameterStructures,
  ProgressType,
  RequestType,
  ResponseError,
} from 'vscode-jsonrpc/node'
import { asLongreadError, LongreadError, type ErrorCode } from '../errors'
import type { EngineCall, EngineCalls, EngineEvents } from '../protocol/calls'

export interface CallParameters<C extends EngineCall> {
  /** Marks the events that belong to this call. */
  readonly token: number
  readonly request: EngineCalls[C]['request']
}

interface ErrorData {
  readonly code: ErrorCode
  readonly what: string
  readonly terminal?: string | undefined
}

export const callType = <C extends EngineCall>(name: C) =>
  new RequestType<CallParameters<C>, EngineCalls[C]['result'], ErrorData>(name, ParameterStructures.byName)

/** What happens during a call. */
export type CallEvent =
  | { readonly event: 'progress'; readonly value: EngineEvents['progress'] }
  | { readonly event: 'text'; readonly value: EngineEvents['text'] }

export const callEvents = new ProgressType<CallEvent>()

export const deviceType = new NotificationType<EngineEvents['device']>('device')

export const logType = new NotificationType<EngineEvents['log']>('log')

export function toResponseError(thrown: unknown): ResponseError<ErrorData> {
  const { code, what, terminal, message } = asLongreadError(thrown)
  return new ResponseError(ErrorCodes.InternalError, message, { code, what, terminal })
}

/** The error that the handler threw; both ends are of one version, so its code is one of ours. */
export function fromResponseError(error: unknown): LongreadError {
  if (!(error instanceof ResponseError)) return asLongreadError(error)
  const data = error.data as Partial<ErrorData> | undefined
  const { code = 'internal', what = error.message, terminal } = data ?? {}
  return new LongreadError(code, what, { cause: error, terminal })
}
