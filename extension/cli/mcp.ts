/** `longread mcp`: a server of the Model Context Protocol over stdin and stdout, for agents of other programs. */
import type { Command } from 'commander'
import { EngineClient } from '../engine/client'
import { WorkspaceSession } from '../engine/workspace-session'
import { oneLine } from '../answer/plain'
import { commonOptions, streamRequest, type CommonFlags } from './options'

export function addMcp(program: Command, version: string): void {
  commonOptions(program.command('mcp <dir>'))
    .summary('serve a folder to other agents (Model Context Protocol, stdio)')
    .description(
      'Serves recall, ask and read over stdin and stdout by the Model Context Protocol. The folder is read in the background.\nEnds when stdin does.',
    )
    .option('--when-asked', 'read the folder with the first question, not at once')
    .addHelpText(
      'after',
      '\nExample, in the settings of an agent:\n  { "command": "longread", "args": ["mcp", "/path/to/repository"] }',
    )
    .action((dir: string, flags: McpFlags) => serve(dir, flags, version))
}

interface McpFlags extends CommonFlags {
  readonly whenAsked?: boolean
}

async function serve(dir: string, flags: McpFlags, version: string): Promise<void> {
  // Wrong flags are told before anything starts.
  const request = await streamRequest(dir, flags)
  // Large, and of use to no other command.
  const { StdioServerTransport } = await import('@modelcontextprotocol/server/stdio')
  const { createMcpServer } = await import('./mcp-server.js')
  // Stdout belongs to the protocol.
  const tell = (message: string) => void process.stderr.write(`${oneLine(message.trimEnd())}\n`)
  const client = new EngineClient({
    yielding: true,
    onNotice: tell,
    onLog: (level, message) => {
      if (level === 'warn' || level === 'error') tell(message)
    },
  })
  const session = new WorkspaceSession(client, () => Promise.resolve(request))
  const server = createMcpServer({
    root: request.root,
    version,
    session,
    answer: { readingTokens: 700, maxTokens: 200 },
  })
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  await server.connect(new StdioServerTransport())
  if (!flags.whenAsked) session.read()
  await ended
  session.dispose()
  await client.dispose()
  await server.close()
  // The transport still listens to stdin.
  process.stdin.destroy()
}
