/**
 * The summary of a whole repository or of one of its folders, as a Markdown document that grows section by section. Broken off, it
 * goes on where it was the next time.
 */
import * as path from 'node:path'
import * as vscode from 'vscode'
import { inNotice } from '../answer/plain'
import { runSummary } from '../answer/summary/keeper'
import { relinked } from '../answer/summary/links'
import { heldIn, sectionIds, summaryText } from '../answer/summary/summarize'
import { readingSetting, streamRequest } from '../config'
import { LongreadError } from '../errors'
import { summariesIn } from '../store/folder'
import type { Section } from '../protocol/types'
import { noFolderText } from './no-folder'
import { inNotification } from './notification'
import { uriOf } from './places'
import type { FolderSession, Sessions } from './sessions'

/** Of the current folder, or of the folder that was chosen in the explorer. */
export async function summarize(sessions: Sessions, chosen?: vscode.Uri): Promise<void> {
  const { t } = vscode.l10n
  const workspace = chosen && vscode.workspace.getWorkspaceFolder(chosen)
  const current = workspace ? sessions.of(workspace) : sessions.current
  if (!current) throw new LongreadError('no-folder', noFolderText())
  const { folder } = current
  const inside = chosen && workspace ? path.posix.relative(folder.uri.path, chosen.path) : ''
  const part = inside === '' ? '' : `${inside}/`
  const name = inside === '' ? folder.name : inside
  sessions.used()
  // In the root, so that its links lead into it; saved only when and where a person says so.
  const file = inside === '' ? 'SUMMARY.md' : `SUMMARY-${inside.replaceAll('/', '-')}.md`
  const uri = uriOf(folder.uri, file).with({ scheme: 'untitled' })
  const document = await vscode.workspace.openTextDocument(await free(uri))
  await vscode.window.showTextDocument(document, { preview: false })
  await inNotification(t('Summarising {0}', name), (progress, signal) =>
    write(current, { signal, part }, async (sections) => {
      progress.report({ increment: 100 / sectionIds.length, message: sections.at(-1)?.title ?? '' })
      await replace(document, summaryText(name, sections))
    }),
  )
  await vscode.commands.executeCommand('markdown.showPreview', document.uri).then(undefined, () => undefined)
  void offerToSave(document, folder.uri, t('The summary of {0} is done.', name))
}

/** Saves it where a person says, with links that lead from there. */
async function offerToSave(document: vscode.TextDocument, root: vscode.Uri, message: string): Promise<void> {
  const save = vscode.l10n.t('Save As…')
  if ((await vscode.window.showInformationMessage(inNotice(message), save)) !== save) return
  const target = await vscode.window.showSaveDialog({
    defaultUri: document.uri.with({ scheme: 'file' }),
    filters: { Markdown: ['md'] },
  })
  if (!target) return
  const text = relinked(document.getText(), root.fsPath, path.dirname(target.fsPath))
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(text))
  await vscode.window.showTextDocument(target)
}

/** Makes what is missing of a folder's summary, and shows all of it whenever a section has come. */
export async function write(
  { folder, session }: FolderSession,
  { signal, part = '' }: { readonly signal: AbortSignal; readonly part?: string },
  show: (sections: readonly Section[]) => Promise<void>,
): Promise<void> {
  const outline = heldIn(await session.outline({ signal }), part)
  if (outline.length === 0)
    throw new LongreadError('usage', vscode.l10n.t('Nothing in {0} is held, so there is nothing to summarise.', part))
  let shown = Promise.resolve()
  const { model, memory } = await streamRequest(folder.uri)
  const asked = readingSetting(folder.uri)
  await runSummary({
    root: folder.uri.fsPath,
    outline,
    part,
    model: path.basename(model),
    reading: asked.reading,
    folder: memory === null ? undefined : summariesIn(memory),
    make: (id) => session.section(id, { signal, folder: part, ...asked }),
    onSections: (sections) => {
      const all = [...sections]
      shown = shown.then(() => show(all))
    },
  })
  await shown
}

/** A name that no file and no open document has. */
async function free(uri: vscode.Uri): Promise<vscode.Uri> {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? uri : uri.with({ path: uri.path.replace(/\.md$/, `-${i}.md`) })
    const open = vscode.workspace.textDocuments.some((d) => d.uri.path === candidate.path)
    const there = await vscode.workspace.fs.stat(candidate.with({ scheme: 'file' })).then(
      () => true,
      () => false,
    )
    if (!open && !there) return candidate
  }
}

async function replace(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit()
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), text)
  await vscode.workspace.applyEdit(edit)
}
