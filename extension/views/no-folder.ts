/** What is said where there is no folder to read: none is open, or none that lies on this machine's disk. */
import * as vscode from 'vscode'

export function noFolderText(): string {
  const folders = vscode.workspace.workspaceFolders ?? []
  return folders.length > 0 && folders.every(({ uri }) => uri.scheme !== 'file')
    ? vscode.l10n.t('This folder is not on the disk of this machine, so Longread cannot read it.')
    : vscode.l10n.t('Open a folder to ask about it.')
}

/** The same for a file: it may lie outside of what is open, or not be saved yet. */
export function noFolderOf(uri: vscode.Uri | undefined): string {
  if (uri?.scheme === 'untitled')
    return vscode.l10n.t('Save this file into the folder that is open, then ask about it.')
  if (uri?.scheme === 'file' && (vscode.workspace.workspaceFolders ?? []).length > 0)
    return vscode.l10n.t('This file lies outside of the folders that are open.')
  return noFolderText()
}
