/** The list of files that were left out, by reason, as a document to search in. */
import * as vscode from 'vscode'
import { inMarkdown } from '../answer/plain'
import type { Sessions } from './sessions'

export async function showLeftOut(sessions: Sessions): Promise<void> {
  const { t } = vscode.l10n
  const current = sessions.current
  const state = current?.session.state
  const held = state && 'held' in state ? state.held : undefined
  if (!current || !held) {
    void vscode.window.showInformationMessage(t('Nothing has been read yet, so nothing was left out.'))
    return
  }
  const reasons = new Map<string, string[]>()
  for (const { file, reason } of held.skipped) reasons.set(reason, [...(reasons.get(reason) ?? []), file])
  const parts = [
    `# ${t('Left out of {0}', inMarkdown(current.folder.name))}`,
    t(
      '{0} files are held. {1} were left out; .longreadignore has the last word on all but secrets.',
      held.files,
      held.skipped.length,
    ),
    ...[...reasons].map(
      ([reason, files]) => `## ${inMarkdown(reason)}\n\n${files.map((file) => `- ${inMarkdown(file)}`).join('\n')}`,
    ),
  ]
  const document = await vscode.workspace.openTextDocument({ language: 'markdown', content: `${parts.join('\n\n')}\n` })
  await vscode.window.showTextDocument(document, { preview: true })
}
