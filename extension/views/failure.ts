/** How an error is shown: its one clear message, with the button that mends it where there is one. */
import * as vscode from 'vscode'
import { commands, type CommandId } from '../contributions'
import { asLongreadError, type ErrorCode } from '../errors'
import type { Remedy } from '../protocol/chat'

const remedies: Partial<Record<ErrorCode, Remedy>> = {
  'no-model': 'downloadModel',
  'bad-model': 'chooseModel',
  'bad-architecture': 'chooseModel',
  'engine-died': 'restartEngine',
  'engine-missing': 'showLog',
  internal: 'showLog',
  disk: 'openSettings',
  download: 'downloadModel',
}

export const remedyOf = (code: ErrorCode): Remedy | undefined => remedies[code]

const labels: Readonly<Record<Remedy, () => string>> = {
  downloadModel: () => vscode.l10n.t('Download the Model…'),
  chooseModel: () => vscode.l10n.t('Choose a Model…'),
  restartEngine: () => vscode.l10n.t('Start the Engine Again'),
  showLog: () => vscode.l10n.t('Show the Log'),
  openSettings: () => vscode.l10n.t('Open Settings'),
}

export const remedyLabel = (remedy: Remedy): string => labels[remedy]()

export async function mend(remedy: Remedy): Promise<void> {
  if (remedy === 'openSettings') await vscode.commands.executeCommand('workbench.action.openSettings', 'longread')
  else await vscode.commands.executeCommand(commands[remedy] satisfies CommandId)
}

/**
 * Messages of the core speak to people at a terminal where a command mends the matter; here a button does.
 */
export function messageOf(thrown: unknown): string {
  const error = asLongreadError(thrown)
  if (error.code === 'no-model')
    return vscode.l10n.t('The model that Longread reads with is not on this machine. Downloading it once takes 98 MB.')
  return error.message
}

/** Shows an error and offers its remedy. What a person cancelled is no error. */
export async function showFailure(thrown: unknown): Promise<void> {
  const error = asLongreadError(thrown)
  if (error.code === 'cancelled') return
  const remedy = remedyOf(error.code)
  const choice = await vscode.window.showErrorMessage(messageOf(error), ...(remedy ? [remedyLabel(remedy)] : []))
  if (choice !== undefined && remedy) await mend(remedy)
}
