/** The chat panel, as a view in the secondary side bar and as tabs in the editor: both are one page with one controller each. */
import * as path from 'node:path'
import * as vscode from 'vscode'
import { views } from '../../contributions'
import type { Log } from '../../engine/handlers-type'
import type { Mention } from '../../protocol/chat'
import { fromChat } from '../../protocol/chat-check'
import type { Proposals } from '../apply'
import { showFailure } from '../failure'
import type { Places } from '../places'
import type { Sessions } from '../sessions'
import type { Traces } from '../trace'
import { ChatController } from './controller'
import { History } from './history'
import { EditorChatHost, fileMention, selectionMention } from './host'
import { chatPage } from './html'
import { chatStrings } from './strings'

export interface ChatParts {
  readonly context: vscode.ExtensionContext
  readonly sessions: Sessions
  readonly places: Places
  readonly proposals: Proposals
  readonly log: Log
}

interface Shown {
  readonly controller: ChatController
  readonly focus: () => void
}

export class Chat implements vscode.Disposable, vscode.WebviewViewProvider {
  private readonly history: History
  private readonly shown = new Set<Shown>()
  private view: Shown | undefined
  /** What to put into the view's input once it is there. */
  private waiting: { readonly text: string; readonly mentions: readonly Mention[]; readonly send: boolean } | undefined
  private readonly disposables: vscode.Disposable[]

  constructor(private readonly parts: ChatParts) {
    const { storageUri } = parts.context
    this.history = new History(storageUri && path.join(storageUri.fsPath, 'chats'))
    this.disposables = [
      vscode.window.registerWebviewViewProvider(views.chat, this, {
        webviewOptions: { retainContextWhenHidden: true },
      }),
      parts.sessions.onDidChange(() => {
        for (const { controller } of this.shown) controller.sessionChanged()
      }),
    ]
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const shown = this.attach(view.webview, 'view', () => view.show())
    void shown.controller.restore()
    this.view = shown
    view.onDidDispose(() => {
      this.detach(shown)
      this.view = undefined
    })
  }

  openInEditor(): void {
    const { extensionUri } = this.parts.context
    const panel = vscode.window.createWebviewPanel(
      views.chat,
      vscode.l10n.t('Longread Chat'),
      vscode.ViewColumn.Beside,
      {
        // What is written and where it is scrolled stays while other tabs are looked at.
        retainContextWhenHidden: true,
      },
    )
    panel.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.png')
    const shown = this.attach(panel.webview, 'editor', () => panel.reveal())
    panel.onDidDispose(() => this.detach(shown))
  }

  /** Shows the view with a question in its input, asked at once or not. */
  async open(text = '', mentions: readonly Mention[] = [], send = false): Promise<void> {
    if (text !== '' || mentions.length > 0) this.waiting = { text, mentions, send }
    await vscode.commands.executeCommand(`${views.chat}.focus`)
    if (this.view) this.deliver(this.view.controller)
  }

  async newChat(): Promise<void> {
    await this.open()
    await this.view?.controller.receive({ type: 'new' })
  }

  async showHistory(): Promise<void> {
    await this.open()
    await this.view?.controller.receive({ type: 'searchHistory', text: '' })
  }

  /** A new question about the selected lines, or about the whole file where nothing is selected. */
  async askAboutSelection(): Promise<void> {
    const editor = vscode.window.activeTextEditor
    const mention = selectionMention(editor) ?? fileMention(editor)
    if (mention) await this.open(`@${mention.label} `, [mention])
    else await this.open()
  }

  /** The trace of the last answer in the view. */
  async showTrace(traces: Traces): Promise<void> {
    const turn = this.view?.controller.current.turns.findLast(({ result }) => result)
    if (turn) await traces.show(turn)
    else void vscode.window.showInformationMessage(vscode.l10n.t('Ask something first; then its trace can be shown.'))
  }

  async export(): Promise<void> {
    await this.view?.controller.export()
  }

  dispose(): void {
    for (const { controller } of this.shown) controller.dispose()
    vscode.Disposable.from(...this.disposables).dispose()
  }

  private attach(webview: vscode.Webview, where: 'view' | 'editor', focus: () => void): Shown {
    const { context, sessions, places, proposals, log } = this.parts
    const media = vscode.Uri.joinPath(context.extensionUri, 'out', 'bundle', 'chat')
    webview.options = { enableScripts: true, localResourceRoots: [media], enableCommandUris: false, enableForms: false }
    const host = new EditorChatHost((message) => void webview.postMessage(message), sessions, places, proposals)
    const controller = new ChatController(host, this.history)
    webview.onDidReceiveMessage((received: unknown) => {
      const message = fromChat(received)
      if (!message) {
        log('warn', 'the chat panel sent a message that is none; it was dropped')
        return
      }
      controller.receive(message).catch(showFailure)
      if (message.type === 'ready' && this.view?.controller === controller) this.deliver(controller)
    })
    const source = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString()
    webview.html = chatPage({
      cspSource: webview.cspSource,
      script: source('main.js'),
      style: source('main.css'),
      strings: chatStrings(vscode.l10n.t),
      language: vscode.env.language,
      where,
    })
    const shown = { controller, focus }
    this.shown.add(shown)
    return shown
  }

  private detach(shown: Shown): void {
    shown.controller.dispose()
    this.shown.delete(shown)
  }

  private deliver(controller: ChatController): void {
    const { waiting } = this
    // A page that is still loading hears nothing; it says when it is ready.
    if (!waiting || !controller.isShown) return
    this.waiting = undefined
    if (waiting.send) void controller.receive({ type: 'ask', text: waiting.text, mentions: waiting.mentions })
    else controller.draft(waiting.text, waiting.mentions)
  }
}
