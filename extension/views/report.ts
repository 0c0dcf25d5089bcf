/** What one needs to say when something is wrong: versions, machine, state and errors, never code, paths or questions. */
import * as os from 'node:os'
import * as vscode from 'vscode'
import { modelInUse } from '../config'
import { defaultModel, listModels } from '../engine/catalogue'
import type { Sessions } from './sessions'

export async function reportProblem(context: vscode.ExtensionContext, sessions: Sessions): Promise<void> {
  const models = await listModels(modelInUse())
  const used = models.find(({ inUse }) => inUse)
  const { version } = context.extension.packageJSON as { version: string }
  const state = sessions.current?.session.state
  const lines = [
    '## What happened',
    '',
    'Please say what you did, what you expected and what came instead.',
    '',
    '## Where',
    '',
    `- Longread ${version}, VS Code ${vscode.version} (${vscode.env.appName}, ${vscode.env.remoteName ?? 'local'})`,
    `- ${os.type()} ${os.release()} ${os.arch()}, ${os.availableParallelism()} processors (${os.cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(os.totalmem() / 1e9)} GB of memory`,
    `- Node ${process.versions.node}`,
    // A model of one's own may have a name that says too much.
    `- Model: ${used?.known ? used.name : used ? 'one of my own' : defaultModel.name}${used?.onDisk ? '' : ' (not here)'}`,
    `- Computed on: ${sessions.device?.name ?? 'not known yet'}`,
    `- State: ${state?.kind ?? 'no folder'}`,
    ...(state?.kind === 'failed' ? [`- Error code: ${state.error.code}`] : []),
    ...(state && 'held' in state && state.held
      ? [`- Held: ${state.held.files} files, ${state.held.units} units, ${state.held.tokens} tokens`]
      : []),
  ]
  const document = await vscode.workspace.openTextDocument({ language: 'markdown', content: `${lines.join('\n')}\n` })
  await vscode.window.showTextDocument(document)
}
