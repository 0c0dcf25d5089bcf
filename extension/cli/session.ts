/**
 * One run of the command against the engine: progress on the terminal, Ctrl-C that cancels within a second, notices on stderr,
 * and the engine process gone at the end, whatever happened.
 */
import { EngineClient } from '../engine/client'
import { cancelled } from '../errors'
import { jsonLine, oneLine, ProgressView } from './terminal'

export interface Session {
  readonly client: EngineClient
  readonly signal: AbortSignal
  readonly view: ProgressView
}

export async function withSession<T>(json: boolean, work: (session: Session) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const view = new ProgressView(process.stderr, json)
  const tell = (message: string) => {
    view.clear()
    process.stderr.write(json ? `${jsonLine({ notice: message })}\n` : `${oneLine(message)}\n`)
  }
  const client = new EngineClient({
    onNotice: tell,
    onLog: (level, message) => {
      if (level === 'warn' || level === 'error' || process.env['LONGREAD_LOG']) tell(message.trimEnd())
    },
  })
  const stop = () => abort.abort(cancelled())
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    return await work({ client, signal: abort.signal, view })
  } finally {
    view.clear()
    await client.dispose()
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}
