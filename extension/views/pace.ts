/**
 * Whether reading is felt in the editor: the longest time that the extension host did not answer while something was read, and how
 * soon after the window was opened the session was ready. Both go to the log, for people who find VS Code slow.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type * as vscode from 'vscode'
import type { Log } from '../engine/handlers-type'
import type { Sessions } from './sessions'

/** Milliseconds between two looks at the clock; a gap shorter than this is none. */
const resolution = 5

export function watchPace(sessions: Sessions, log: Log): vscode.Disposable {
  const opened = performance.now()
  const delays = monitorEventLoopDelay({ resolution })
  let reading = false
  let ready = false
  return sessions.onDidChange(() => {
    const kind = sessions.current?.session.state.kind
    if (kind === 'ready' && !ready) {
      ready = true
      log('info', `ready ${((performance.now() - opened) / 1000).toFixed(1)} s after activation`)
    }
    if ((kind === 'reading') === reading) return
    reading = !reading
    if (reading) {
      delays.reset()
      delays.enable()
    } else {
      delays.disable()
      const longest = Math.max(0, delays.max / 1e6 - resolution)
      log('info', `longest pause of the extension host while reading: ${longest.toFixed(0)} ms`)
    }
  })
}
