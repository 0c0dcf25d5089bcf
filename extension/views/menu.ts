/** What a click on the status bar item offers: what can be done in the state that it shows. */
import * as vscode from 'vscode'
import { commands, type CommandId } from '../contributions'
import type { Sessions } from './sessions'
import { statusText } from './status-text'

interface MenuItem extends vscode.QuickPickItem {
  readonly command?: CommandId
}

export async function showMenu(sessions: Sessions): Promise<void> {
  const { t } = vscode.l10n
  const state = sessions.current?.session.state
  const items: MenuItem[] = []
  const add = (command: CommandId, icon: string, label: string) => items.push({ command, label: `$(${icon}) ${label}` })
  if (state) {
    add(commands.openChat, 'comment-discussion', t('Ask About This Repository'))
    add(commands.summarize, 'book', t('Summarise This Repository'))
    if (state.kind === 'no-model') add(commands.downloadModel, 'cloud-download', t('Download the Model…'))
    if (state.kind === 'reading') add(commands.pause, 'debug-pause', t('Pause Reading'))
    else if (state.kind === 'paused') add(commands.read, 'debug-continue', t('Continue Reading'))
    else if (state.kind !== 'no-model') add(commands.read, 'refresh', t('Read This Repository Now'))
    if (state.kind === 'ready' || state.kind === 'stale')
      add(commands.showLeftOut, 'list-unordered', t('Show What Was Left Out'))
  }
  items.push({ label: '', kind: vscode.QuickPickItemKind.Separator })
  add(commands.chooseModel, 'chip', t('Choose a Model…'))
  add(commands.restartEngine, 'debug-restart', t('Start the Engine Again'))
  add(commands.showLog, 'output', t('Show the Log'))
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Longread',
    placeHolder: statusText(state, t).tooltip.split('\n').join(' '),
  })
  if (picked?.command) await vscode.commands.executeCommand(picked.command)
}
