/** The lightbulb and, where it is wanted, the lines above definitions: both offer the questions that can be asked in the code. */
import * as vscode from 'vscode'
import { codeLens, onCodeLensSetting } from '../config'
import { commands } from '../contributions'
import { definitionsOf } from './definitions'
import type { Sessions } from './sessions'

const everyFile: vscode.DocumentSelector = { scheme: 'file' }

export function registerOffers(sessions: Sessions): vscode.Disposable {
  const kind = vscode.CodeActionKind.Empty.append('longread')
  const actions: vscode.CodeActionProvider = {
    provideCodeActions(document, range) {
      if (!vscode.workspace.getWorkspaceFolder(document.uri) || !isAsked(sessions)) return []
      return offers().map(({ command, title }) => {
        const action = new vscode.CodeAction(title, kind)
        action.command = { command, title, arguments: [{ uri: document.uri, range }] }
        return action
      })
    },
  }
  const changed = new vscode.EventEmitter<void>()
  const lenses: vscode.CodeLensProvider = {
    onDidChangeCodeLenses: changed.event,
    async provideCodeLenses(document) {
      if (!codeLens(document.uri) || !isAsked(sessions)) return []
      return (await definitionsOf(document.uri)).flatMap(({ name: range }) =>
        offers()
          .slice(0, 2)
          .map(
            ({ command, title }) =>
              new vscode.CodeLens(range, { command, title, arguments: [{ uri: document.uri, range }] }),
          ),
      )
    },
  }
  return vscode.Disposable.from(
    changed,
    onCodeLensSetting(() => changed.fire()),
    vscode.languages.registerCodeActionsProvider(everyFile, actions, { providedCodeActionKinds: [kind] }),
    vscode.languages.registerCodeLensProvider(everyFile, lenses),
  )
}

/** Nobody is offered an answer in a workspace where Longread was never used. */
function isAsked(sessions: Sessions): boolean {
  const kind = sessions.current?.session.state.kind
  return kind !== undefined && kind !== 'unread' && kind !== 'no-model'
}

const offers = () => [
  { command: commands.explainInline, title: vscode.l10n.t('Longread: explain') },
  { command: commands.usesInline, title: vscode.l10n.t('Longread: who uses this?') },
  { command: commands.breaksInline, title: vscode.l10n.t('Longread: what breaks if it changes?') },
]
