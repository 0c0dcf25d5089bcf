/**
 * `@repo` in VS Code's own chat: answers about the repository, and finds or explains code by command. What is attached to a
 * question is where it looks.
 */
import * as vscode from 'vscode'
import { promptly } from '../answer/asking'
import { earlier } from '../answer/conversation'
import { Harmless } from '../answer/harmless'
import { inMarkdown } from '../answer/plain'
import { turnResult } from '../answer/turn-result'
import { answerSettings } from '../config'
import { agents, commands } from '../contributions'
import { asLongreadError } from '../errors'
import type { EarlierTurn, Place, RecalledUnit } from '../protocol/types'
import { messageOf } from './failure'
import { noFolderText } from './no-folder'
import { uriOf } from './places'
import type { FolderSession, Sessions } from './sessions'
import { doing } from './chat/session-view'

const mostFound = 10

interface ResultMetadata {
  readonly followUps: readonly string[]
  /** Symbols that were read or found. */
  readonly names: readonly string[]
}

export function registerParticipant(sessions: Sessions): vscode.Disposable {
  const participant = vscode.chat.createChatParticipant(agents.participant, (request, { history }, stream, token) =>
    respond(sessions, { ...request, history }, stream, token),
  )
  participant.iconPath = new vscode.ThemeIcon('book')
  participant.followupProvider = {
    provideFollowups: ({ metadata }) =>
      ((metadata as ResultMetadata | undefined)?.followUps ?? []).map((prompt) => ({ prompt })),
  }
  return participant
}

async function respond(
  sessions: Sessions,
  request: Pick<vscode.ChatRequest, 'command' | 'prompt' | 'references'> & Pick<vscode.ChatContext, 'history'>,
  stream: vscode.ChatResponseStream,
  token: vscode.CancellationToken,
): Promise<vscode.ChatResult> {
  const { t } = vscode.l10n
  const current = sessions.current
  if (!current) return failed(noFolderText())
  const within = placesOf(current.folder, request.references)
  const named = within.map(({ file }) => file).join(', ')
  const question =
    request.command === 'summarize'
      ? t('Summarise this repository.')
      : request.prompt.trim() || (named === '' ? '' : t('Explain {0}.', named))
  if (question === '') return failed(t('Ask something about this repository.'))
  sessions.used()
  const abort = new AbortController()
  const cancelling = token.onCancellationRequested(() => abort.abort())
  if (token.isCancellationRequested) abort.abort()
  let told = ''
  const options = {
    signal: abort.signal,
    onProgress: (progress: Parameters<typeof doing>[0]) => {
      const text = doing(progress, t)
      if (text !== told && text !== '') stream.progress(text)
      told = text
    },
  }
  const scope = { before: earlierIn(request.history), ...(within.length > 0 ? { within } : {}) }
  try {
    if (request.command === 'summarize') return await summarize(current, stream, abort.signal)
    if (request.command === 'find') return await find(current, question, scope, stream, options)
    const asked = request.command === 'explain' ? t('Explain: {0}', question) : question
    return await answer(current, asked, scope, stream, options)
  } catch (thrown) {
    return asLongreadError(thrown).code === 'cancelled' ? {} : failed(messageOf(thrown))
  } finally {
    cancelling.dispose()
  }
}

/** What was asked of this participant before, with what it said. */
function earlierIn(history: vscode.ChatContext['history']): EarlierTurn[] {
  return history.flatMap((asked, i): EarlierTurn[] => {
    const said = history[i + 1]
    if (!(asked instanceof vscode.ChatRequestTurn) || asked.participant !== agents.participant) return []
    if (!(said instanceof vscode.ChatResponseTurn) || asked.command === 'summarize') return []
    const { names = [] } = (said.result.metadata as Partial<ResultMetadata> | undefined) ?? {}
    const text = said.response.flatMap((part) =>
      part instanceof vscode.ChatResponseMarkdownPart ? [part.value.value] : [],
    )
    // A list of places is no answer to a model.
    return [{ question: asked.prompt, answer: asked.command === 'find' ? '' : text.join('').trim(), names }]
  })
}

const failed = (message: string): vscode.ChatResult => ({ errorDetails: { message: inMarkdown(message) } })

type Scope = { readonly before: readonly EarlierTurn[]; readonly within?: readonly Place[] }
type Options = Parameters<FolderSession['session']['ask']>[1]

async function find(
  { folder, session }: FolderSession,
  question: string,
  scope: Scope,
  stream: vscode.ChatResponseStream,
  options: Options,
): Promise<vscode.ChatResult> {
  const what = { ...promptly, questions: [question], top: mostFound, ...scope }
  const [result] = await session.recall(what, options)
  // Below the mean of all units nothing was found, only ranked.
  const units = (result?.units ?? []).filter(({ score }, rank) => rank === 0 || score > 0)
  if (units.length === 0) stream.markdown(vscode.l10n.t('Nothing in this repository seems to fit the question.'))
  for (const unit of units) {
    stream.markdown('\n- ')
    stream.anchor(locationOf(folder, unit))
    stream.markdown(inMarkdown(` ${unit.symbol} (${unit.score.toFixed(1)})`))
  }
  return { metadata: { followUps: [], names: earlier('', '', units).names } satisfies ResultMetadata }
}

async function summarize(
  current: FolderSession,
  stream: vscode.ChatResponseStream,
  signal: AbortSignal,
): Promise<vscode.ChatResult> {
  const { write } = await import('./summary.js')
  let shown = 0
  await write(current, { signal }, (sections) => {
    for (const { title, markdown } of sections.slice(shown)) stream.markdown(`\n\n### ${title}\n\n${markdown}\n`)
    shown = sections.length
    return Promise.resolve()
  })
  stream.button({ command: commands.summarize, title: vscode.l10n.t('Open as a Document') })
  return {}
}

async function answer(
  { folder, session }: FolderSession,
  question: string,
  scope: Scope,
  stream: vscode.ChatResponseStream,
  options: Options,
): Promise<vscode.ChatResult> {
  let shown = new Harmless()
  const show = (text: string) => {
    if (text !== '') stream.markdown(text)
  }
  const result = await session.ask(
    { ...promptly, question, ...answerSettings(folder.uri), ...scope },
    {
      ...options,
      onText: (text) => show(shown.push(text)),
      onRestart: () => {
        show(shown.end())
        shown = new Harmless()
        show(`\n\n*${vscode.l10n.t('The engine was started again; the answer begins anew.')}*\n\n`)
      },
    },
  )
  show(shown.end())
  const { citations, followUps } = turnResult(result, question, false, new Map(), vscode.l10n.t)
  for (const unit of result.reading) stream.reference(locationOf(folder, unit))
  const seen = new Set<string>()
  for (const { file, startLine, endLine, symbol } of citations) {
    const label = `${file}:${startLine}-${endLine}`
    if (seen.has(label)) continue
    stream.markdown(seen.size === 0 ? '\n\n' : ', ')
    seen.add(label)
    stream.anchor(locationOf(folder, { file, startLine, endLine }), symbol === '' ? label : symbol)
  }
  const { names } = earlier(question, result.answer, result.reading)
  return { metadata: { followUps, names } satisfies ResultMetadata }
}

const locationOf = (
  { uri }: vscode.WorkspaceFolder,
  { file, startLine, endLine }: Pick<RecalledUnit, 'file' | 'startLine' | 'endLine'>,
): vscode.Location =>
  new vscode.Location(uriOf(uri, file), new vscode.Range(startLine - 1, 0, endLine - 1, Number.MAX_SAFE_INTEGER))

/** Files and lines of this folder that a person has attached. */
function placesOf(folder: vscode.WorkspaceFolder, references: readonly vscode.ChatPromptReference[]): Place[] {
  return references.flatMap(({ value }): Place[] => {
    const location = value instanceof vscode.Location ? value : undefined
    const uri = location?.uri ?? (value instanceof vscode.Uri ? value : undefined)
    if (!uri || vscode.workspace.getWorkspaceFolder(uri) !== folder) return []
    const file = vscode.workspace.asRelativePath(uri, false)
    if (!location) return [{ file }]
    return [{ file, startLine: location.range.start.line + 1, endLine: location.range.end.line + 1 }]
  })
}
