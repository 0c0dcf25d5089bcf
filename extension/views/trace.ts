/** The trace of an answer as a read-only document, with a grammar of its own in syntaxes/. */
import * as vscode from 'vscode'
import { traceText } from '../answer/trace'
import type { Turn } from '../protocol/chat'

const scheme = 'longread-trace'
/** Traces that can still be shown when a window's tabs come back. */
const mostKept = 50

export class Traces implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>()
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(scheme, this)

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? vscode.l10n.t('This trace is gone; ask again.')
  }

  async show(turn: Turn): Promise<void> {
    const uri = vscode.Uri.from({ scheme, path: `/${turn.id.slice(0, 8)}.longread-trace` })
    this.texts.set(uri.toString(), traceText(turn))
    for (const key of [...this.texts.keys()].slice(0, -mostKept)) this.texts.delete(key)
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true })
  }

  dispose(): void {
    this.registration.dispose()
  }
}
