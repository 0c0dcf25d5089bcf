/** The MCP server of the command, offered to the agents of this VS Code for each folder: the same as `longread mcp FOLDER`. */
import * as vscode from 'vscode'
import { streamRequest } from '../config'
import { agents } from '../contributions'

export function registerMcpServers(context: vscode.ExtensionContext): vscode.Disposable {
  const cli = vscode.Uri.joinPath(context.extensionUri, 'out', 'bundle', 'extension', 'cli.js').fsPath
  const { version } = context.extension.packageJSON as { version: string }
  const changed = new vscode.EventEmitter<void>()
  const provider: vscode.McpServerDefinitionProvider<vscode.McpStdioServerDefinition> = {
    onDidChangeMcpServerDefinitions: changed.event,
    async provideMcpServerDefinitions() {
      const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file')
      return Promise.all(
        folders.map(async ({ uri, name }) => {
          // Without a model the server starts all the same, and says so.
          const request = await streamRequest(uri).catch(() => undefined)
          const flags = request
            ? ['--model', request.model, '--device', request.device, '--threads', String(request.threads)]
            : []
          const memory = request ? (request.memory === null ? ['--no-store'] : ['--memory', request.memory]) : []
          return new vscode.McpStdioServerDefinition(
            vscode.l10n.t('Longread: {0}', name),
            process.execPath,
            // VS Code starts servers when its chat is opened, whether they are used or not.
            [cli, 'mcp', uri.fsPath, '--when-asked', ...flags, ...memory],
            // In a desktop VS Code this is Electron, which then is Node.
            { ELECTRON_RUN_AS_NODE: '1' },
            version,
          )
        }),
      )
    },
  }
  return vscode.Disposable.from(
    changed,
    vscode.workspace.onDidChangeWorkspaceFolders(() => changed.fire()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('longread')) changed.fire()
    }),
    vscode.lm.registerMcpServerDefinitionProvider(agents.mcp, provider),
  )
}
