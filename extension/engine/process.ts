/**
 * The engine process: forked by the client (client.ts) with the path of the module of handlers as its argument, it serves the calls
 * of protocol/calls.ts until its channel closes. A process of its own, because a ggml assert or a CUDA fault ends a process.
 */
import { writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { pathToFileURL } from 'node:url'
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type CancellationToken,
} from 'vscode-jsonrpc/node'
import { asLongreadError, engineMissing, LongreadError } from '../errors'
import type { EngineCall, EngineCalls } from '../protocol/calls'
import type { CallHandlers, CallTools, EngineHandlers, HandlersContext, HandlersModule, Log } from './handlers-type'
import { callEvents, deviceType, logType, toResponseError, type CallParameters } from './wire'

/** Every call by name; the compiler asks for the missing one when calls.ts grows. */
const calls: Readonly<Record<EngineCall, true>> = {
  stream: true,
  streamMemory: true,
  update: true,
  recall: true,
  ask: true,
  calibrate: true,
  chat: true,
  outline: true,
  folder: true,
  units: true,
  texts: true,
  complete: true,
  section: true,
}

/** Milliseconds that handlers have to let go of what they hold. */
const DISPOSE_MS = 500

function serve(modulePath: string): void {
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process))
  const running = new Set<AbortController>()
  // Telling fails only when the client is gone, and then the process ends anyway.
  const tell = (sent: Promise<void>) => void sent.catch(() => undefined)
  const log: Log = (level, message) => tell(connection.sendNotification(logType, { level, message }))
  const handlers = load(modulePath, { log, device: (device) => tell(connection.sendNotification(deviceType, device)) })
  // Each request reports it; a process without requests has nobody to report it to.
  handlers.catch(() => undefined)

  const run = async <C extends EngineCall>(
    name: C,
    { token, request }: CallParameters<C>,
    cancellation: CancellationToken,
  ): Promise<EngineCalls[C]['result'] | ReturnType<typeof toResponseError>> => {
    const abort = new AbortController()
    running.add(abort)
    const cancel = cancellation.onCancellationRequested(() => abort.abort())
    if (cancellation.isCancellationRequested) abort.abort()
    const tools: CallTools = {
      signal: abort.signal,
      progress: (value) => tell(connection.sendProgress(callEvents, token, { event: 'progress', value })),
      text: (text) => tell(connection.sendProgress(callEvents, token, { event: 'text', value: { text } })),
      log,
    }
    try {
      const ready: CallHandlers = await handlers
      return await ready[name](request, tools)
    } catch (error) {
      const told = asLongreadError(error)
      if (told.code === 'gpu-failed') endAtOnce(told.message)
      return toResponseError(told)
    } finally {
      cancel.dispose()
      running.delete(abort)
    }
  }
  for (const name of Object.keys(calls) as EngineCall[])
    connection.onRequest(name, (call: CallParameters<typeof name>, cancellation: CancellationToken) =>
      run(name, call, cancellation),
    )
  connection.listen()

  // Ctrl-C reaches the whole group of a terminal; what it means is for the client to decide.
  process.on('SIGINT', () => undefined)
  process.once('disconnect', () => {
    for (const abort of running) abort.abort()
    const disposed = handlers.then((h) => h.dispose?.()).catch(() => undefined)
    const late = new Promise((resolve) => setTimeout(resolve, DISPOSE_MS))
    void Promise.race([disposed, late]).finally(() => process.exit(0))
  })
}

/** As ggml ends a process when a GPU fails: nothing could free what lies there, and the client goes on with another process. */
function endAtOnce(lastWords: string): never {
  writeSync(process.stderr.fd, `${lastWords}\n`)
  process.abort()
}

async function load(modulePath: string, context: HandlersContext): Promise<EngineHandlers> {
  try {
    const { createHandlers } = (await import(pathToFileURL(modulePath).href)) as HandlersModule
    return await createHandlers(context)
  } catch (error) {
    if (error instanceof LongreadError) throw error
    throw engineMissing(error instanceof Error ? error.message : String(error))
  }
}

const [, , modulePath, priority] = process.argv
// Threads inherit it from the one that starts them, and none of the engine's has been started yet.
// Further down, a busy machine would give it hardly any time, and its threads wait for one another.
if (priority === 'yielding') setPriority(5)
if (process.send && modulePath !== undefined) serve(modulePath)
else {
  process.stderr.write('This is the engine process of Longread; it is started by the command "longread".\n')
  process.exitCode = 2
}
