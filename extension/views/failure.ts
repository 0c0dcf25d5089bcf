/** How an error is shown: its one clear message, with the button that mends it where there is one. */
import * as vscode from 'vscode'
import { inNotice } from '../answer/plain'
import { commands, type CommandId } from '../contributions'
import { asLongreadError, type ErrorCode, type LongreadError } from '../errors'
import type { Remedy } from '../protocol/chat'

const remedies: Partial<Record<ErrorCode, Remedy>> = {
  'no-folder': 'openFolder',
  'no-model': 'downloadModel',
  'bad-model': 'chooseModel',
  'bad-architecture': 'chooseModel',
  'engine-died': 'restartEngine',
  'engine-missing': 'showLog',
  internal: 'showLog',
  disk: 'openSettings',
  usage: 'openSettings',
  'gpu-unfit': 'openSettings',
  download: 'downloadModel',
}

/** A wrong use that the settings do not cause is mended by asking otherwise. */
export const remedyOf = ({ code, terminal }: LongreadError): Remedy | undefined =>
  code === 'usage' && terminal === undefined ? undefined : remedies[code]

const labels: Readonly<Record<Remedy, () => string>> = {
  downloadModel: () => vscode.l10n.t('Download the Model…'),
  chooseModel: () => vscode.l10n.t('Choose a Model…'),
  restartEngine: () => vscode.l10n.t('Start the Engine Again'),
  showLog: () => vscode.l10n.t('Show the Log'),
  openSettings: () => vscode.l10n.t('Open Settings'),
  openFolder: () => vscode.l10n.t('Open Folder…'),
}

export const remedyLabel = (remedy: Remedy): string => labels[remedy]()

export async function mend(remedy: Remedy): Promise<void> {
  if (remedy === 'openSettings') await vscode.commands.executeCommand('workbench.action.openSettings', 'longread')
  else if (remedy === 'openFolder') await vscode.commands.executeCommand('vscode.openFolder')
  else await vscode.commands.executeCommand(commands[remedy] satisfies CommandId)
}

/** What to do about it here, where a message of the core names commands and options of the terminal. */
const advice: Partial<Record<ErrorCode, () => string>> = {
  disk: () => vscode.l10n.t('Free some space, or choose another folder in the settings.'),
  usage: () => vscode.l10n.t('The settings say where the memory is kept.'),
  'gpu-unfit': () => vscode.l10n.t('Choose another device in the settings.'),
  'engine-missing': () => vscode.l10n.t('Install the extension again.'),
  download: () => vscode.l10n.t('Download it again.'),
}

/** An error's message without anything that only a terminal has. */
export function messageOf(thrown: unknown): string {
  const { code, what, terminal } = asLongreadError(thrown)
  if (code === 'no-model')
    return vscode.l10n.t('The model that Longread reads with is not on this machine. Downloading it once takes 98 MB.')
  const here = terminal === undefined ? undefined : advice[code]?.()
  return here === undefined ? what : `${what} ${here}`
}

/** Shows an error and offers its remedy. What a person cancelled is no error. */
export async function showFailure(thrown: unknown): Promise<void> {
  const error = asLongreadError(thrown)
  if (error.code === 'cancelled') return
  const remedy = remedyOf(error)
  const buttons = remedy ? [remedyLabel(remedy)] : []
  const choice = await vscode.window.showErrorMessage(inNotice(messageOf(error)), ...buttons)
  if (choice !== undefined && remedy) await mend(remedy)
}
