/**
 * One chat panel's conversation: takes the webview's messages, asks the session, streams the answer, keeps the history. Knows no
 * VS Code; what happens in the editor is its host's to do (host.ts).
 */
import { randomInt, randomUUID } from 'node:crypto'
import { promptly } from '../../answer/asking'
import { earlierTurns } from '../../answer/conversation'
import { exportMarkdown } from '../../answer/export'
import { complete, point } from '../../answer/mentions'
import { turnResult } from '../../answer/turn-result'
import type { WorkspaceSession } from '../../engine/workspace-session'
import { asLongreadError } from '../../errors'
import type {
  CodeAction,
  Conversation,
  FromChat,
  Mention,
  PanelCommand,
  Remedy,
  ToChat,
  Turn,
} from '../../protocol/chat'
import type { AskRequest, AskResult, Place, SamplingOptions } from '../../protocol/types'
import type { Translate } from '../status-text'
import { newConversation, type History } from './history'
import { doing, sessionView } from './session-view'

export interface ChatFolder {
  readonly uri: string
  readonly name: string
  readonly session: Pick<WorkspaceSession, 'state' | 'ask' | 'texts' | 'complete'>
}

export interface ChatHost {
  readonly t: Translate
  post(message: ToChat): void
  /** A folder by its URI, else the current one. */
  folder(uri?: string): ChatFolder | undefined
  settings(uri: string): Pick<AskRequest, 'sampling' | 'readingTokens' | 'reading'>
  /** Why there is no folder to ask about. */
  noFolder(): string
  failure(thrown: unknown): { readonly message: string; readonly remedy?: Remedy }
  /** The selection of the active editor, as something to mention. */
  selection(): Mention | undefined
  open(place: Place, folder: string | undefined, beside: boolean): Promise<void>
  highlight(turn: Turn, folder: string | undefined): Promise<void>
  code(action: CodeAction, text: string): Promise<void>
  copy(text: string): Promise<void>
  save(markdown: string, name: string): Promise<void>
  run(command: Exclude<PanelCommand, 'export'>): Promise<void>
  used(): void
}

/** Hotter than greedy, so that asking again gives another answer. */
const againTemperature = 0.7

export class ChatController {
  private conversation: Conversation = newConversation()
  private running: { readonly turn: string; readonly abort: AbortController; ended: Promise<void> } | undefined
  /** What was typed last and is not completed yet; while something is being completed, what comes next. */
  private typed: { readonly id: number; readonly text: string } | undefined
  private completing: Promise<void> | undefined
  private visible = false

  constructor(
    private readonly host: ChatHost,
    private readonly history: History,
  ) {}

  /** The page has asked for its state, so it hears what is sent. */
  get isShown(): boolean {
    return this.visible
  }

  get current(): Conversation {
    return this.conversation
  }

  /** Takes one message; never rejects for what it means: the panel shows it. */
  async receive(message: FromChat): Promise<void> {
    switch (message.type) {
      case 'ready':
        this.visible = true
        {
          this.show()
          return
        }
      case 'ask':
        return this.ask(message.text, message.mentions)
      case 'stop':
        this.running?.abort.abort()
        return
      case 'edit': {
        await this.truncate(message.turn)
        return this.ask(message.text, message.mentions)
      }
      case 'regenerate': {
        const turn = this.turn(message.turn)
        if (!turn) return
        await this.truncate(message.turn)
        return this.ask(turn.question, turn.mentions, { temperature: againTemperature, seed: randomInt(1, 2 ** 31) })
      }
      case 'open':
        return this.host.open(message.place, this.conversation.folder, message.beside)
      case 'highlight': {
        const turn = this.turn(message.turn)
        return turn ? this.host.highlight(turn, this.conversation.folder) : undefined
      }
      case 'code':
        return this.host.code(message.action, message.text)
      case 'copyAnswer': {
        const turn = this.turn(message.turn)
        return turn ? this.host.copy(turn.answer) : undefined
      }
      case 'complete':
        return this.complete(message.id, message.text)
      case 'new':
        return this.replace(newConversation())
      case 'searchHistory': {
        this.host.post({ type: 'history', conversations: await this.history.list(message.text) })
        return
      }
      case 'load': {
        const loaded = await this.history.load(message.conversation)
        return loaded ? this.replace(loaded) : undefined
      }
      case 'forget': {
        await this.history.remove(message.conversation)
        if (message.conversation === this.conversation.id) await this.replace(newConversation())
        this.host.post({ type: 'history', conversations: await this.history.list() })
        return
      }
      case 'run':
        return message.command === 'export' ? this.export() : this.host.run(message.command)
    }
  }

  /** The last conversation of the workspace, so that a restart goes on where it was. */
  async restore(): Promise<void> {
    const [last] = await this.history.list()
    const loaded = last && (await this.history.load(last.id))
    // Whoever was quick to ask has begun a new one.
    if (!loaded || this.conversation.turns.length > 0) return
    this.conversation = loaded
    if (this.visible) this.show()
  }

  sessionChanged(): void {
    if (this.visible) this.host.post({ type: 'session', session: this.session() })
  }

  draft(text: string, mentions: readonly Mention[]): void {
    this.host.post({ type: 'draft', text, mentions })
  }

  async export(): Promise<void> {
    const { turns } = this.conversation
    const title = turns[0]?.question
    if (title === undefined) return
    await this.host.save(exportMarkdown(this.conversation, title), title)
  }

  dispose(): void {
    this.visible = false
    this.running?.abort.abort()
  }

  async ask(
    text: string,
    mentions: readonly Mention[],
    again?: Pick<SamplingOptions, 'temperature' | 'seed'>,
  ): Promise<void> {
    await this.stop()
    const { folder: before } = this.conversation
    const folder = this.host.folder(before)
    const turn: Turn = { id: randomUUID(), question: text, mentions, state: 'running', answer: '', asked: Date.now() }
    const uri = before ?? folder?.uri
    this.conversation = {
      ...this.conversation,
      turns: [...this.conversation.turns, turn],
      ...(uri === undefined ? {} : { folder: uri }),
    }
    this.host.post({ type: 'turn', turn })
    if (!folder) {
      this.update(turn.id, { state: 'failed', error: { message: this.host.noFolder() } })
      return
    }
    this.host.used()
    const abort = new AbortController()
    this.running = { turn: turn.id, abort, ended: Promise.resolve() }
    this.running.ended = this.answer(turn, folder, abort.signal, again)
    await this.running.ended
  }

  private async answer(
    turn: Turn,
    folder: ChatFolder,
    signal: AbortSignal,
    again: Pick<SamplingOptions, 'temperature' | 'seed'> | undefined,
  ): Promise<void> {
    const { host } = this
    const { id } = turn
    const { sampling, ...settings } = host.settings(folder.uri)
    const pointed = (one: Turn) => point(one.question, one.mentions, (name) => host.t('Explain {0}.', name))
    const words = (one: Turn) => pointed(one).question
    const { question, within } = pointed(turn)
    const turns = this.conversation.turns.slice(0, -1)
    const state = folder.session.state
    const partial = (state.kind === 'reading' || state.kind === 'paused') && state.held === undefined
    let answer = ''
    void this.keep()
    try {
      const result = await folder.session.ask(
        {
          ...promptly,
          question,
          before: earlierTurns(turns, words),
          ...settings,
          sampling: { ...sampling, ...again },
          ...(within ? { within } : {}),
        },
        {
          signal,
          onProgress: (progress) => {
            if (answer === '') host.post({ type: 'doing', turn: id, text: doing(progress, host.t) })
          },
          onText: (text) => {
            answer += text
            this.note(id, { answer })
            host.post({ type: 'text', turn: id, text })
          },
          onRestart: () => {
            answer = ''
            this.update(id, { answer: '' })
          },
        },
      )
      this.update(id, {
        state: 'done',
        answer: result.answer,
        result: turnResult(result, turn.question, partial, await textsOf(result, folder), host.t),
      })
    } catch (thrown) {
      const stopped = asLongreadError(thrown).code === 'cancelled'
      this.update(id, stopped ? { state: 'stopped', answer } : { state: 'failed', answer, error: host.failure(thrown) })
    } finally {
      if (this.running?.turn === id) this.running = undefined
      await this.keep()
    }
  }

  private async stop(): Promise<void> {
    this.running?.abort.abort()
    await this.running?.ended
  }

  private async truncate(turn: string): Promise<void> {
    await this.stop()
    const at = this.conversation.turns.findIndex(({ id }) => id === turn)
    if (at < 0) return
    this.conversation = { ...this.conversation, turns: this.conversation.turns.slice(0, at) }
    this.show()
  }

  private async replace(conversation: Conversation): Promise<void> {
    await this.stop()
    this.conversation = conversation
    this.show()
  }

  /** One at a time: of what was typed meanwhile the last alone counts. */
  private complete(id: number, text: string): Promise<void> {
    this.typed = { id, text }
    this.completing ??= this.completeTyped().finally(() => (this.completing = undefined))
    return this.completing
  }

  private async completeTyped(): Promise<void> {
    for (let typed = this.typed; typed; typed = this.typed) {
      this.typed = undefined
      const { id, text } = typed
      const selection = this.host.selection()
      const session = this.host.folder(this.conversation.folder)?.session
      const held = (await session?.complete(text).catch(() => [])) ?? []
      this.host.post({ type: 'mentions', id, items: complete(text, selection ? [selection, ...held] : held) })
    }
  }

  private turn(id: string): Turn | undefined {
    return this.conversation.turns.find((turn) => turn.id === id)
  }

  private update(id: string, change: Partial<Turn>): void {
    this.note(id, change)
    const turn = this.turn(id)
    if (turn) this.host.post({ type: 'turn', turn })
  }

  private note(id: string, change: Partial<Turn>): void {
    const turns = this.conversation.turns.map((turn) => (turn.id === id ? { ...turn, ...change } : turn))
    this.conversation = { ...this.conversation, turns }
  }

  private show(): void {
    this.host.post({ type: 'state', conversation: this.conversation, session: this.session() })
  }

  private session() {
    const folder = this.host.folder(this.conversation.folder)
    return sessionView(folder?.name ?? '', folder?.session.state, this.host)
  }

  /** A history that cannot be written is no reason not to answer. */
  private async keep(): Promise<void> {
    await this.history.save(this.conversation).catch(() => undefined)
  }
}

/** The files that were found, as they are now. Without them there is no heat, but an answer. */
async function textsOf({ recalled }: AskResult, { session }: ChatFolder): Promise<Map<string, string>> {
  const files = [...new Set(recalled.map(({ file }) => file))]
  const texts = await session.texts(files).catch(() => [])
  return new Map(files.map((file, i) => [file, texts[i] ?? '']))
}
