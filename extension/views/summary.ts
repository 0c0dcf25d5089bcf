/**
 * The summary of a whole repository or of one of its folders, as a Markdown document that grows section by section. Broken off, it
 * goes on where it was the next time.
 */
import * as path from 'node:path'
import * as vscode from 'vscode'
import { runSummary } from '../answer/summary/keeper'
import { sectionIds, summaryText } from '../answer/summary/summarize'
import { streamRequest } from '../config'
import { LongreadError } from '../errors'
import type { Section } from '../protocol/types'
import { inNotification } from './notification'
import { uriOf } from './places'
import type { FolderSession, Sessions } from './sessions'

export async function summarizeRepository(context: vscode.ExtensionContext, sessions: Sessions): Promise<void> {
  const current = sessions.current
  if (!current) throw new LongreadError('no-folder', vscode.l10n.t('Open a folder to summarise it.'))
  const { folder } = current
  sessions.used()
  // Beside the repository, so that its links lead into it; saved only when and where a person says so.
  const uri = uriOf(folder.uri, 'SUMMARY.md').with({ scheme: 'untitled' })
  const document = await vscode.workspace.openTextDocument(await free(uri))
  await vscode.window.showTextDocument(document, { preview: false })
  await inNotification(vscode.l10n.t('Summarising {0}', folder.name), (progress, signal) =>
    write(current, context, signal, async (sections) => {
      progress.report({ increment: 100 / sectionIds.length, message: sections.at(-1)?.title ?? '' })
      await replace(document, summaryText(folder.name, sections))
    }),
  )
  await vscode.commands.executeCommand('markdown.showPreviewToSide', document.uri).then(undefined, () => undefined)
}

/** Makes what is missing of a folder's summary, and shows all of it whenever a section has come. */
export async function write(
  { folder, session }: FolderSession,
  { storageUri }: Pick<vscode.ExtensionContext, 'storageUri'>,
  signal: AbortSignal,
  show: (sections: readonly Section[]) => Promise<void>,
): Promise<void> {
  const outline = await session.outline({ signal, read: true })
  let shown = Promise.resolve()
  await runSummary({
    outline,
    model: path.basename((await streamRequest(folder.uri)).model),
    folder: storageUri && path.join(storageUri.fsPath, 'summaries'),
    make: (id) => session.section(id, { signal }),
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
