/** Work that a notification shows, with a button that cancels it. */
import * as vscode from 'vscode'
import { inNotice } from '../answer/plain'

export type NotificationProgress = vscode.Progress<{ message?: string; increment?: number }>

export function inNotification<T>(
  title: string,
  work: (progress: NotificationProgress, signal: AbortSignal) => Promise<T>,
): Thenable<T> {
  const options = { location: vscode.ProgressLocation.Notification, title: inNotice(title), cancellable: true }
  return vscode.window.withProgress(options, (progress, token) => {
    const abort = new AbortController()
    token.onCancellationRequested(() => abort.abort())
    return work(progress, abort.signal)
  })
}
