/**
 * Activation: builds, registers, returns. What a command needs beyond that is loaded when it is first run, and the engine process
 * is forked with the first call; so opening a window costs nothing that can be felt.
 */
import * as vscode from 'vscode'
import { commands, type CommandId } from './contributions'
import { Proposals } from './views/apply'
import { registerParticipant } from './views/chat-participant'
import { Chat } from './views/chat/panel'
import { registerOffers } from './views/code-offers'
import { showFailure } from './views/failure'
import { InlineQuestions, type InlineTarget } from './views/inline'
import { createLog } from './views/log'
import { registerMcpServers } from './views/mcp-definition'
import { registerModelProvider } from './views/model-provider'
import type { Entry } from './views/memory-tree'
import { MemoryView } from './views/memory-view'
import { watchPace } from './views/pace'
import { Places } from './views/places'
import { registerRecallTool } from './views/recall-tool'
import { Sessions } from './views/sessions'
import { showStatus } from './views/status'
import { Traces } from './views/trace'

let sessions: Sessions | undefined

export function activate(context: vscode.ExtensionContext): void {
  const started = performance.now()
  const { channel, log } = createLog()
  context.subscriptions.push(channel)
  try {
    sessions = build(context, channel, log)
  } catch (thrown) {
    channel.error(thrown instanceof Error ? thrown : String(thrown))
    void showFailure(thrown)
    return
  }
  log('info', `activated in ${(performance.now() - started).toFixed(1)} ms`)
}

export async function deactivate(): Promise<void> {
  await sessions?.endEngine()
}

function build(
  context: vscode.ExtensionContext,
  channel: vscode.LogOutputChannel,
  log: ReturnType<typeof createLog>['log'],
) {
  const made = new Sessions(context.workspaceState, log)
  const places = new Places()
  const proposals = new Proposals()
  const chat = new Chat({ context, sessions: made, places, proposals, log })
  context.subscriptions.push(made, places, proposals, chat, showStatus(made), watchPace(made, log))
  context.subscriptions.push(
    registerParticipant(made),
    registerRecallTool(made),
    registerModelProvider(made),
    registerMcpServers(context),
  )

  const memory = new MemoryView(made, places)
  const traces = new Traces()
  const inline = new InlineQuestions(made, chat, vscode.Uri.joinPath(context.extensionUri, 'media', 'icon.png'))
  context.subscriptions.push(memory, traces, inline, registerOffers(made))

  const handlers: Readonly<Record<CommandId, (argument: never) => unknown>> = {
    [commands.openChat]: () => chat.open(),
    [commands.openChatInEditor]: () => chat.openInEditor(),
    [commands.newChat]: () => chat.newChat(),
    [commands.exportChat]: () => chat.export(),
    [commands.showHistory]: () => chat.showHistory(),
    [commands.chooseFolder]: async () => {
      // A conversation is about one folder.
      if (await made.chooseFolder()) await chat.newChat()
    },
    [commands.askAboutSelection]: () => chat.askAboutSelection(),
    [commands.askInline]: (at?: InlineTarget) => inline.open(at),
    [commands.explainInline]: (at?: InlineTarget) => inline.ask('explain', at),
    [commands.usesInline]: (at?: InlineTarget) => inline.ask('uses', at),
    [commands.breaksInline]: (at?: InlineTarget) => inline.ask('breaks', at),
    [commands.replyInline]: (reply: vscode.CommentReply) => inline.reply(reply),
    [commands.stopInline]: (thread: vscode.CommentThread) => inline.stop(thread),
    [commands.openInlineInChat]: (thread: vscode.CommentThread) => inline.openInPanel(thread),
    [commands.dismissInline]: (thread: vscode.CommentThread) => inline.dismiss(thread),
    [commands.summarize]: async () => (await import('./views/summary.js')).summarize(made),
    [commands.summarizeFolder]: async (folder?: vscode.Uri) =>
      (await import('./views/summary.js')).summarize(made, folder),
    [commands.read]: () => made.readNow(),
    [commands.pause]: () => made.current?.session.pause(),
    [commands.showLeftOut]: async () => (await import('./views/left-out.js')).showLeftOut(made),
    [commands.chooseModel]: async () => (await import('./views/models.js')).chooseModel(made),
    [commands.downloadModel]: async () => (await import('./views/models.js')).downloadModel(made),
    [commands.restartEngine]: () => made.restart(),
    [commands.clearHighlights]: () => places.clear(),
    [commands.showTrace]: () => chat.showTrace(traces),
    [commands.openUnit]: (entry: Entry) => memory.open(entry),
    [commands.leaveOut]: (entry: Entry) => memory.leaveOut(entry),
    [commands.showMenu]: async () => (await import('./views/menu.js')).showMenu(made),
    [commands.showLog]: () => channel.show(),
    [commands.reportProblem]: async () => (await import('./views/report.js')).reportProblem(context, made),
  }
  for (const [id, run] of Object.entries(handlers))
    context.subscriptions.push(
      // What VS Code hands to a command is what the place in the manifest hands to it.
      vscode.commands.registerCommand(id, async (argument: never) => {
        try {
          await run(argument)
        } catch (thrown) {
          log('error', thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown))
          await showFailure(thrown)
        }
      }),
    )
  // After activation: what is read then must not hold up the window.
  setImmediate(() => made.start())
  return made
}
