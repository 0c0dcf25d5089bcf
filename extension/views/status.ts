/** The status bar item: where the session of the current folder stands. A click opens the menu (menu.ts). */
import * as vscode from 'vscode'
import { commands, contextKeys } from '../contributions'
import type { Sessions } from './sessions'
import { statusText } from './status-text'

export function showStatus(sessions: Sessions): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('longread', vscode.StatusBarAlignment.Right, 90)
  item.name = 'Longread'
  item.command = commands.showMenu
  let kind = ''
  const update = () => {
    const state = sessions.current?.session.state
    const { text, tooltip, severity } = statusText(state, vscode.l10n.t, sessions.device)
    item.text = text
    item.tooltip = tooltip
    item.accessibilityInformation = { label: `Longread. ${tooltip}` }
    item.backgroundColor =
      severity === 'normal' ? undefined : new vscode.ThemeColor(`statusBarItem.${severity}Background`)
    if (kind === (state?.kind ?? 'none')) return
    kind = state?.kind ?? 'none'
    void vscode.commands.executeCommand('setContext', contextKeys.state, kind)
  }
  update()
  item.show()
  return vscode.Disposable.from(item, sessions.onDidChange(update))
}
