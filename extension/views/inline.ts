/**
 * Questions in the code: a comment thread at the lines that they are about, with a streamed answer that knows the whole repository,
 * follow-up questions in the thread, and the way to the panel.
 */
import * as vscode from 'vscode'
import { promptly } from '../answer/asking'
import { earlier } from '../answer/conversation'
import { definitionsOf } from './definitions'
import { harmless } from '../answer/harmless'
import {
  nameOf,
  ownQuestion,
  presetQuestion,
  type InlineQuestion,
  type Named,
  type Preset,
  type Subject,
} from '../answer/inline'
import { inMarkdown } from '../answer/plain'
import { turnResult } from '../answer/turn-result'
import { answerSettings } from '../config'
import { agents } from '../contributions'
import { asLongreadError } from '../errors'
import type { EarlierTurn } from '../protocol/types'
import type { Chat } from './chat/panel'
import { doing } from './chat/session-view'
import { messageOf } from './failure'
import { noFolderOf } from './no-folder'
import { uriOf } from './places'
import type { FolderSession, Sessions } from './sessions'

/** Milliseconds between two drawings of a growing answer: each is a whole new comment. */
const drawMs = 120

/** Where a question is asked; a command from a menu brings something else. */
export interface InlineTarget {
  readonly uri: vscode.Uri
  readonly range: vscode.Range
}

class InlineComment implements vscode.Comment {
  readonly mode = vscode.CommentMode.Preview
  body: vscode.MarkdownString

  constructor(
    readonly author: vscode.CommentAuthorInformation,
    text: string,
  ) {
    this.body = new vscode.MarkdownString(text, true)
  }
}

interface Asked {
  readonly subject: Subject
  readonly abort: AbortController
  /** The thread so far. */
  before: readonly EarlierTurn[]
  lastQuestion: string
}

export class InlineQuestions implements vscode.Disposable {
  private readonly controller = vscode.comments.createCommentController(agents.comments, 'Longread')
  private readonly threads = new Map<vscode.CommentThread, Asked>()

  constructor(
    private readonly sessions: Sessions,
    private readonly chat: Chat,
    private readonly icon: vscode.Uri,
  ) {
    const { t } = vscode.l10n
    this.controller.options = { prompt: t('Ask on…'), placeHolder: t('Ask on about these lines') }
  }

  /** Asks for a question about the selection or the lines given, and answers it there. */
  async open(at?: InlineTarget): Promise<void> {
    const { t } = vscode.l10n
    const { target, folder } = this.where(at)
    if (!target || !folder) return
    const text = await vscode.window.showInputBox({
      title: t('Ask About These Lines'),
      placeHolder: t('Who uses this? What does it do?'),
    })
    if (text === undefined || text.trim() === '') return
    await this.reply({ thread: this.thread(target.uri, target.range), text })
  }

  async ask(preset: Preset, at?: InlineTarget): Promise<void> {
    const { target, folder } = this.where(at)
    if (!target || !folder) return
    const thread = this.thread(target.uri, target.range)
    await this.answer(thread, folder, (subject, units) =>
      presetQuestion(preset, subject, nameOf(subject, units), vscode.l10n.t),
    )
  }

  async reply({ thread, text }: vscode.CommentReply): Promise<void> {
    const folder = this.folderOf(thread.uri)
    if (!folder || text.trim() === '') return
    await this.answer(thread, folder, (subject, units) =>
      ownQuestion(text, subject, nameOf(subject, units), vscode.l10n.t),
    )
  }

  stop(thread: vscode.CommentThread): void {
    this.threads.get(thread)?.abort.abort()
  }

  dismiss(thread: vscode.CommentThread): void {
    this.stop(thread)
    this.threads.delete(thread)
    thread.dispose()
  }

  /** The last question of the thread, asked again in the panel. */
  async openInPanel(thread: vscode.CommentThread): Promise<void> {
    const asked = this.threads.get(thread)
    if (asked) await this.chat.open(asked.lastQuestion, [])
  }

  dispose(): void {
    for (const { abort } of this.threads.values()) abort.abort()
    this.controller.dispose()
  }

  /** Where a question is asked; says why where it cannot be. */
  private where(at: InlineTarget | undefined): { readonly target?: InlineTarget; readonly folder?: FolderSession } {
    const target = targetOf(at)
    const folder = target && this.folderOf(target.uri)
    if (target && folder) return { target, folder }
    void vscode.window.showInformationMessage(noFolderOf(target?.uri))
    return {}
  }

  private folderOf(uri: vscode.Uri): FolderSession | undefined {
    const folder = vscode.workspace.getWorkspaceFolder(uri)
    return folder && uri.scheme === 'file' ? this.sessions.of(folder) : undefined
  }

  private thread(uri: vscode.Uri, range: vscode.Range): vscode.CommentThread {
    const known = [...this.threads.keys()].find(
      (thread) => thread.uri.toString() === uri.toString() && thread.range?.end.line === range.end.line,
    )
    const thread = known ?? this.controller.createCommentThread(uri, range, [])
    thread.label = vscode.l10n.t('Ask Longread')
    thread.canReply = true
    thread.collapsibleState = vscode.CommentThreadCollapsibleState.Expanded
    if (!known)
      this.threads.set(thread, {
        subject: subjectOf(uri, range),
        abort: new AbortController(),
        before: [],
        lastQuestion: '',
      })
    return thread
  }

  private async answer(
    thread: vscode.CommentThread,
    { folder, session }: FolderSession,
    put: (subject: Subject, around: readonly Named[]) => InlineQuestion,
  ): Promise<void> {
    const { t } = vscode.l10n
    const before = this.threads.get(thread)
    const subject = before?.subject ?? subjectOf(thread.uri, thread.range ?? new vscode.Range(0, 0, 0, 0))
    before?.abort.abort()
    const abort = new AbortController()
    const asked: Asked = { subject, abort, before: before?.before ?? [], lastQuestion: '' }
    this.threads.set(thread, asked)
    this.sessions.used()
    const [units, definitions] = await Promise.all([
      session.units(subject.file).catch(() => []),
      definitionsOf(thread.uri).catch(() => []),
    ])
    const { question, within } = put(subject, [...definitions, ...units])
    asked.lastQuestion = question
    const answer = new InlineComment({ name: 'Longread', iconPath: this.icon }, `*${t('Working…')}*`)
    thread.comments = [...thread.comments, new InlineComment({ name: t('You') }, inMarkdown(question)), answer]
    thread.contextValue = 'answering'
    let text = ''
    let drawn = 0
    const draw = (shown: string, now: boolean) => {
      if (!now && performance.now() - drawn < drawMs) return
      drawn = performance.now()
      answer.body = new vscode.MarkdownString(shown, true)
      thread.comments = [...thread.comments]
    }
    try {
      const what = {
        ...promptly,
        question,
        before: asked.before,
        ...answerSettings(folder.uri),
        ...(within ? { within } : {}),
      }
      const result = await session.ask(what, {
        signal: abort.signal,
        onProgress: (progress) => {
          const told = doing(progress, t)
          if (text === '' && told !== '') draw(`*${told}*`, false)
        },
        onText: (piece) => {
          text += piece
          draw(harmless(text), false)
        },
        onRestart: () => (text = ''),
      })
      asked.before = [...asked.before, earlier(question, result.answer, result.reading)]
      const { citations } = turnResult(result, question, false, new Map(), t)
      const links = new Set(citations.map(({ file, startLine, endLine }) => link(folder.uri, file, startLine, endLine)))
      draw([harmless(result.answer), [...links].join(' · ')].filter(Boolean).join('\n\n'), true)
    } catch (thrown) {
      const stopped = asLongreadError(thrown).code === 'cancelled'
      const end = stopped ? t('Stopped.') : messageOf(thrown)
      draw([harmless(text), `*${inMarkdown(end)}*`].filter(Boolean).join('\n\n'), true)
    } finally {
      if (this.threads.get(thread) === asked) thread.contextValue = 'answered'
    }
  }
}

/** A link that opens a file of the folder at a line; comments follow no other links of ours. */
const link = (folder: vscode.Uri, file: string, startLine: number, endLine: number): string =>
  `[${inMarkdown(`${file}:${startLine}-${endLine}`)}](${uriOf(folder, file)
    .with({ fragment: `L${startLine},1-L${endLine},1` })
    .toString()})`

/** The lines given, or where the cursor is: a menu hands over the file only. */
function targetOf(at: InlineTarget | vscode.Uri | undefined): InlineTarget | undefined {
  if (at && 'range' in at) return at
  const editor = vscode.window.activeTextEditor
  return editor && { uri: editor.document.uri, range: editor.selection }
}

function subjectOf(uri: vscode.Uri, range: vscode.Range): Subject {
  const document = vscode.workspace.textDocuments.find((open) => open.uri.toString() === uri.toString())
  const word = document && range.isEmpty ? document.getWordRangeAtPosition(range.start) : undefined
  const selected = document?.getText(word ?? range) ?? ''
  return {
    file: vscode.workspace.asRelativePath(uri, false),
    startLine: range.start.line + 1,
    endLine: range.end.line + 1,
    ...(selected === '' ? {} : { selected }),
  }
}
