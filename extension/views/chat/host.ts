/** What the chat controller has done in the editor: files opened and lit, code inserted, Markdown saved, commands run. */
import * as vscode from 'vscode'
import { answerSettings } from '../../config'
import { commands, type CommandId } from '../../contributions'
import { labelOf } from '../../answer/mentions'
import { inNotice } from '../../answer/plain'
import { asLongreadError } from '../../errors'
import type { CodeAction, Mention, PanelCommand, Remedy, ToChat, Turn } from '../../protocol/chat'
import type { Place } from '../../protocol/types'
import { insertAtCursor, type Proposals } from '../apply'
import { mend, messageOf, remedyOf } from '../failure'
import { noFolderText } from '../no-folder'
import { uriOf, type Places } from '../places'
import type { FolderSession, Sessions } from '../sessions'
import type { ChatFolder, ChatHost } from './controller'

const asFolder = ({ folder, session }: FolderSession): ChatFolder => ({
  uri: folder.uri.toString(),
  name: folder.name,
  session,
})

export class EditorChatHost implements ChatHost {
  readonly t = vscode.l10n.t

  constructor(
    private readonly send: (message: ToChat) => void,
    private readonly sessions: Sessions,
    private readonly places: Places,
    private readonly proposals: Proposals,
  ) {}

  post(message: ToChat): void {
    this.send(message)
  }

  folder(uri?: string): ChatFolder | undefined {
    if (uri === undefined) return this.sessions.current && asFolder(this.sessions.current)
    const folder = vscode.workspace.workspaceFolders?.find((f) => f.uri.toString() === uri)
    return folder && asFolder(this.sessions.of(folder))
  }

  settings(uri: string): ReturnType<ChatHost['settings']> {
    return answerSettings(vscode.Uri.parse(uri))
  }

  noFolder(): string {
    return noFolderText()
  }

  failure(thrown: unknown): { readonly message: string; readonly remedy?: Remedy } {
    const remedy = remedyOf(asLongreadError(thrown))
    return { message: messageOf(thrown), ...(remedy ? { remedy } : {}) }
  }

  selection(): Mention | undefined {
    return selectionMention(vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0])
  }

  async open(place: Place, folder: string | undefined, beside: boolean): Promise<void> {
    const root = this.root(folder)
    if (!root) return
    try {
      await this.places.open(root, place, beside)
    } catch {
      void vscode.window.showWarningMessage(vscode.l10n.t('{0} is not there any more.', inNotice(place.file)))
    }
  }

  async highlight(turn: Turn, folder: string | undefined): Promise<void> {
    const root = this.root(folder)
    if (root && turn.result) await this.places.highlight(root, turn.result.found)
  }

  async code(action: CodeAction, text: string): Promise<void> {
    if (action === 'copy') await this.copy(text)
    else if (action === 'insert') await insertAtCursor(text)
    else await this.proposals.apply(text)
  }

  async copy(text: string): Promise<void> {
    await vscode.env.clipboard.writeText(text)
  }

  async save(markdown: string, name: string): Promise<void> {
    const folder = this.sessions.current?.folder.uri
    const file = `${
      name
        .replace(/[^\p{L}\p{N}]+/gu, '-')
        .replace(/^-|-$/g, '')
        .slice(0, 60) || 'chat'
    }.md`
    const target = await vscode.window.showSaveDialog({
      filters: { Markdown: ['md'] },
      ...(folder ? { defaultUri: uriOf(folder, file) } : {}),
    })
    if (!target) return
    await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(markdown))
    await vscode.window.showTextDocument(target)
  }

  async run(command: Exclude<PanelCommand, 'export'>): Promise<void> {
    if (command === 'read' || command === 'pause' || command === 'showLeftOut')
      await vscode.commands.executeCommand(commands[command] satisfies CommandId)
    else await mend(command)
  }

  used(): void {
    this.sessions.used()
  }

  private root(folder: string | undefined): vscode.Uri | undefined {
    return folder === undefined ? this.sessions.current?.folder.uri : vscode.Uri.parse(folder)
  }
}

/** The lines that are selected, as something that a question can point at. */
export function selectionMention(editor: vscode.TextEditor | undefined): Mention | undefined {
  if (!editor || editor.selection.isEmpty) return undefined
  const folder = vscode.workspace.getWorkspaceFolder(editor.document.uri)
  if (!folder) return undefined
  const file = vscode.workspace.asRelativePath(editor.document.uri, false)
  const { start, end } = editor.selection
  // A selection that ends before the first character of a line does not hold that line.
  const last = end.character === 0 && end.line > start.line ? end.line : end.line + 1
  const lines = last > start.line + 1 ? `${start.line + 1}-${last}` : String(last)
  return { kind: 'selection', file, startLine: start.line + 1, endLine: last, label: labelOf(`${file}:${lines}`) }
}

export function fileMention(editor: vscode.TextEditor | undefined): Mention | undefined {
  if (!editor || !vscode.workspace.getWorkspaceFolder(editor.document.uri)) return undefined
  const file = vscode.workspace.asRelativePath(editor.document.uri, false)
  return { kind: 'file', file, label: labelOf(file) }
}
