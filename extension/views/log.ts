/** The output channel: one for the whole extension, with VS Code's levels. No line of code is written to it. */
import * as vscode from 'vscode'
import type { Log } from '../engine/handlers-type'

export function createLog(): { readonly channel: vscode.LogOutputChannel; readonly log: Log } {
  const channel = vscode.window.createOutputChannel('Longread', { log: true })
  const log: Log = (level, message) => {
    channel[level](message.trimEnd())
  }
  return { channel, log }
}
