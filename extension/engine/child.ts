/**
 * One forked engine process, from its start to its end: sends it calls, passes on what it logs, and tells how it ended. It is
 * never started again; that is the client's (client.ts) to decide.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node'
import type { EngineCall, EngineCalls } from '../protocol/calls'
import type { Device } from '../protocol/types'
import type { Log } from './handlers-type'
import { callEvents, callType, deviceType, logType, type CallEvent } from './wire'

/** Lines of the process's stderr that are kept to say why it ended. */
const LAST_LINES = 20
/** Milliseconds that what a dead process wrote has to arrive. */
const DRAIN_MS = 200

/** One of libuv's threads is the model's for the length of a call; files are read, tokenised and saved on the others. */
const poolThreads = (): number => Math.min(16, Math.max(4, availableParallelism()))

/** How an engine process ended: `SIGSEGV`, `code 3`; and its last words. */
export interface End {
  readonly how: string
  readonly lastLine?: string
}

export class EngineChild {
  /** Settles once the process is gone, and never rejects. */
  readonly ended: Promise<End>
  readonly #child: ChildProcess
  readonly #connection: MessageConnection
  readonly #lastLines: string[] = []
  #gone = false
  #device: Device | undefined
  #nextToken = 0

  constructor(handlers: string, log: Log, yielding = false, onDevice: (device: Device) => void = () => undefined) {
    this.#child = fork(join(__dirname, 'process.js'), yielding ? [handlers, 'yielding'] : [handlers], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, UV_THREADPOOL_SIZE: process.env['UV_THREADPOOL_SIZE'] ?? String(poolThreads()) },
      // A debugger's port or a test's flags are this process's alone.
      execArgv: [],
    })
    this.#forward(log)
    this.ended = this.#watch()
    this.#connection = createMessageConnection(new IPCMessageReader(this.#child), new IPCMessageWriter(this.#child))
    this.#connection.onNotification(logType, ({ level, message }) => log(level, message))
    this.#connection.onNotification(deviceType, (device) => {
      this.#device = device
      onDevice(device)
    })
    // A channel that breaks ends the process or has ended with it; `ended` tells.
    this.#connection.onError(([error]) => log('debug', `engine channel: ${error.message}`))
    this.#connection.listen()
    void this.ended.then(() => this.#connection.dispose())
  }

  /** What computes its model, once one is loaded. */
  get device(): Device | undefined {
    return this.#device
  }

  /** False once the process has ended or was told to end. */
  get usable(): boolean {
    return !this.#gone && this.#child.connected
  }

  /** Rejects with the handler's error. Never settles when the process ends first: wait for `ended` beside it. */
  async call<C extends EngineCall>(
    name: C,
    request: EngineCalls[C]['request'],
    cancellation: CancellationToken,
    onEvent: (event: CallEvent) => void,
  ): Promise<EngineCalls[C]['result']> {
    const token = this.#nextToken++
    const events = this.#connection.onProgress(callEvents, token, onEvent)
    try {
      return await this.#connection.sendRequest(callType(name), { token, request }, cancellation)
    } catch (error) {
      if (!this.usable) return await new Promise<never>(() => undefined)
      throw error
    } finally {
      events.dispose()
    }
  }

  kill(): void {
    this.#gone = true
    this.#child.kill('SIGKILL')
  }

  /** Asks the process to end, and makes it after a while. */
  async close(patience: number): Promise<void> {
    this.#gone = true
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.kill(), patience)
    await this.ended
    clearTimeout(timer)
  }

  #watch(): Promise<End> {
    const child = this.#child
    return new Promise((resolve) => {
      const settle = (how: string) => {
        const lastLine = this.#lastLines.at(-1)
        resolve({ how, ...(lastLine === undefined ? {} : { lastLine }) })
      }
      child.once('error', (error) => {
        this.#gone = true
        if (child.pid === undefined) settle(error.message)
        // A process that cannot be talked to is of no use; its exit settles.
        else child.kill('SIGKILL')
      })
      child.once('exit', (code, signal) => {
        this.#gone = true
        const how = signal ?? `code ${code ?? 'unknown'}`
        // Its last words may still be in the pipe, which a process that it started may keep open.
        const timer = setTimeout(() => {
          child.stdout?.destroy()
          child.stderr?.destroy()
          settle(how)
        }, DRAIN_MS)
        child.once('close', () => {
          clearTimeout(timer)
          settle(how)
        })
      })
    })
  }

  #forward(log: Log): void {
    for (const [stream, level] of [[this.#child.stdout, 'debug'] as const, [this.#child.stderr, 'info'] as const]) {
      let rest = ''
      const line = (text: string) => {
        if (text.trim() === '') return
        log(level, text)
        if (stream !== this.#child.stderr) return
        this.#lastLines.push(text.trim().slice(0, 300))
        if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
      }
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = (lines.pop() ?? '').slice(-10_000)
        lines.forEach(line)
      })
      stream?.once('end', () => line(rest))
    }
  }
}
