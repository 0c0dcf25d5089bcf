/**
 * The engine process's calls by name (JSON-RPC over the IPC channel of a forked process; typed arrays travel as binary).
 * Each call can be cancelled; while one runs, the process sends `progress` and, for `ask`, `text` notifications.
 */
import type { Mention } from './chat'
import type {
  AskRequest,
  AskResult,
  CalibrateRequest,
  CalibrateResult,
  ChatRequest,
  ChatResult,
  Device,
  FolderContents,
  HeldFile,
  MemoryStreamRequest,
  MemoryStreamResult,
  Progress,
  RecallRequest,
  RecallResult,
  Section,
  SectionRequest,
  StreamRequest,
  StreamResult,
  Unit,
  UpdateRequest,
  UpdateResult,
} from './types'

export interface EngineCalls {
  stream: { request: StreamRequest; result: StreamResult }
  update: { request: UpdateRequest; result: UpdateResult }
  /** Reads a workspace as one text into InfLLM's memory, for questions that are answered from it. */
  streamMemory: { request: MemoryStreamRequest; result: MemoryStreamResult }
  recall: { request: RecallRequest; result: RecallResult[] }
  ask: { request: AskRequest; result: AskResult }
  calibrate: { request: CalibrateRequest; result: CalibrateResult }
  /** The model's answer to messages, as it is generated. */
  chat: { request: ChatRequest; result: ChatResult }
  /** One section of a summary of the whole repository. */
  section: { request: SectionRequest; result: Section }
  /** Files and units as they are held; nothing is read. */
  outline: { request: StreamRequest; result: HeldFile[] }
  /** A part of that, at once and whatever else is done; where nothing is held, nothing. `from`: files to pass over. */
  folder: { request: StreamRequest & { readonly folder: string; readonly from: number }; result: FolderContents }
  units: { request: StreamRequest & { readonly file: string }; result: readonly Unit[] }
  /** Of files that are held, as they are now, unsaved or on disk; empty where one has gone or may not be read any more. */
  texts: { request: StreamRequest & { readonly files: readonly string[] }; result: readonly string[] }
  /** What may be meant by what was typed after a `@`, best first. */
  complete: { request: StreamRequest & { readonly text: string }; result: Mention[] }
}

export type EngineCall = keyof EngineCalls

export interface EngineEvents {
  progress: Progress
  /** A piece of the answer, as it is generated. */
  text: { readonly text: string }
  /** A model was loaded, and this computes it. */
  device: Device
  log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string }
}

export type EngineEvent = keyof EngineEvents
