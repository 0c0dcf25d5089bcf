/** Code of an answer in the user's files: inserted at the cursor, or shown as a diff first and applied when it is accepted. */
import * as vscode from 'vscode'
import { inNotice } from '../answer/plain'

const scheme = 'longread-proposal'

/** The last editor that a person typed in: the panel has the focus when one of its buttons is pressed. */
function targetEditor(): vscode.TextEditor | undefined {
  const active = vscode.window.activeTextEditor
  if (active?.document.uri.scheme === 'file') return active
  return vscode.window.visibleTextEditors.find(({ document }) => document.uri.scheme === 'file')
}

function noEditor(): void {
  void vscode.window.showInformationMessage(
    vscode.l10n.t('Open the file that the code should go into, then try again.'),
  )
}

export async function insertAtCursor(text: string): Promise<void> {
  const editor = targetEditor()
  if (!editor) {
    noEditor()
    return
  }
  await editor.edit((edit) => {
    for (const selection of editor.selections) edit.replace(selection, text)
  })
  await vscode.window.showTextDocument(editor.document, editor.viewColumn)
}

/** Proposals as read-only documents beside the files that they would change. */
export class Proposals implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>()
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(scheme, this)
  private made = 0

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? ''
  }

  /** Shows what replacing the selection (or inserting at the cursor) would change; changes it when that is accepted. */
  async apply(text: string): Promise<void> {
    const editor = targetEditor()
    if (!editor) {
      noEditor()
      return
    }
    const { document, selection } = editor
    const version = document.version
    const before = document.getText()
    const from = document.offsetAt(selection.start)
    const proposed = before.slice(0, from) + text + before.slice(document.offsetAt(selection.end))
    const uri = vscode.Uri.from({ scheme, path: document.uri.path, query: String(++this.made) })
    this.texts.set(uri.toString(), proposed)
    const name = inNotice(vscode.workspace.asRelativePath(document.uri))
    const title = vscode.l10n.t('{0} (proposed)', name)
    await vscode.commands.executeCommand('vscode.diff', document.uri, uri, title)
    const accept = vscode.l10n.t('Apply')
    const choice = await vscode.window.showInformationMessage(
      vscode.l10n.t('Apply this change to {0}?', name),
      accept,
      vscode.l10n.t('Discard'),
    )
    await closeDiff(uri)
    this.texts.delete(uri.toString())
    if (choice !== accept) return
    if (document.version !== version) {
      void vscode.window.showWarningMessage(
        vscode.l10n.t('{0} has changed in the meantime; nothing was applied.', name),
      )
      return
    }
    const edit = new vscode.WorkspaceEdit()
    edit.replace(document.uri, selection, text)
    await vscode.workspace.applyEdit(edit)
    await vscode.window.showTextDocument(document)
  }

  dispose(): void {
    this.registration.dispose()
  }
}

async function closeDiff(proposed: vscode.Uri): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap(({ tabs: all }) => all)
  const shown = tabs.filter(
    ({ input }) => input instanceof vscode.TabInputTextDiff && input.modified.toString() === proposed.toString(),
  )
  await vscode.window.tabGroups.close(shown)
}
