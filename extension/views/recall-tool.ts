/** The language model tool `longread_recall`: finds code for other agents of VS Code, which read and answer themselves. */
import * as vscode from 'vscode'
import { foundAsText, linesOf } from '../answer/as-text'
import { promptly } from '../answer/asking'
import { agents } from '../contributions'
import { LongreadError } from '../errors'
import { noFolderText } from './no-folder'
import type { Sessions } from './sessions'

interface RecallInput {
  readonly question: string
  readonly top?: number
}

const mostUnits = 20

export const registerRecallTool = (sessions: Sessions): vscode.Disposable =>
  vscode.lm.registerTool<RecallInput>(agents.tool, {
    prepareInvocation: ({ input }) => ({
      invocationMessage: vscode.l10n.t('Finding code for "{0}"', input.question),
    }),
    async invoke({ input }, token) {
      const current = sessions.current
      if (!current) throw new LongreadError('no-folder', noFolderText())
      const { session } = current
      const question = typeof input.question === 'string' ? input.question.trim() : ''
      if (question === '') throw new LongreadError('usage', vscode.l10n.t('Give a question.'))
      const top = Math.min(mostUnits, Math.max(1, Math.round(input.top ?? 8)))
      const abort = new AbortController()
      const cancelling = token.onCancellationRequested(() => abort.abort())
      try {
        const what = { ...promptly, questions: [question], top }
        const [result] = await session.recall(what, { signal: abort.signal })
        const units = result?.units ?? []
        const texts = await session.texts(units.map(({ file }) => file))
        const found = units.map((unit, i) => ({ unit, code: linesOf(texts[i] ?? '', unit.startLine, unit.endLine) }))
        return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(foundAsText(found))])
      } finally {
        cancelling.dispose()
      }
    },
  })
