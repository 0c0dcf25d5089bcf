/** `longread memory list|verify|prune|clear|scan`: what is kept on disk, whether it is whole, how to be rid of it. */
import { realpath } from 'node:fs/promises'
import * as path from 'node:path'
import type { Command } from 'commander'
import { loadAddon } from '../engine/addon'
import { cacheFolder } from '../engine/catalogue'
import { cancelled, LongreadError } from '../errors'
import { MemoryFolder } from '../store/folder'
import { clear, inventory, verify } from '../store/inventory'
import { defaultLimit } from '../store/keeper'
import { prune } from '../store/prune'
import { scan } from '../store/scan'
import { bytes, jsonLine, oneLine, ProgressView } from './terminal'

interface MemoryFlags {
  readonly memory?: string
  readonly json?: boolean
}

const print = (text: string) => process.stdout.write(`${text}\n`)
const count = (n: number, what: string) => `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`

export const memoryFolder = (flags: { readonly memory?: string }): string =>
  path.resolve(flags.memory ?? path.join(cacheFolder(), 'memory'))

const open = (flags: MemoryFlags) => MemoryFolder.open(memoryFolder(flags))

export function addMemory(program: Command): void {
  const memory = program
    .command('memory')
    .summary('what is kept on disk: list, check, make smaller, remove')
    .description('What Longread has read and keeps on disk. Every part of it can be read again.')
  const command = (name: string) =>
    memory
      .command(name)
      .option('--memory <folder>', "where it is kept; default: the user's cache folder")
      .option('--json', 'one JSON object on stdout')
  command('list').summary('workspaces that are kept').action(list)
  command('verify')
    .summary('read every byte and tell what is damaged')
    .option('--repair', 'remove what is damaged; it is read again when it is wanted')
    .action(verifyAll)
  command('prune')
    .summary('remove what was used longest ago, never what an open workspace needs')
    .option('--keep <size>', 'how much may stay: 500MB, 20GB', sizeOf, defaultLimit)
    .option('--unused', 'also what no workspace holds now: older versions, other branches, folders that are gone')
    .addHelpText('after', '\nExamples:\n  $ longread memory prune --keep 5GB\n  $ longread memory prune --unused')
    .action(pruneAll)
  command('clear [dir]')
    .summary('remove everything, or what is kept of one folder')
    .addHelpText('after', '\nExamples:\n  $ longread memory clear .\n  $ longread memory clear')
    .action(clearAll)
  command('scan')
    .summary('look through what is kept for secrets and ignored files, and remove them')
    .option('--dry-run', 'only tell')
    .action(scanAll)
}

function sizeOf(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)B?$/i.exec(text.trim()) ?? []
  if (number === undefined || unit === undefined)
    throw new LongreadError('usage', `--keep must be a size such as 500MB or 20GB, not "${text}".`)
  return Number(number) * 1000 ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase())
}

async function list(flags: MemoryFlags): Promise<void> {
  const folder = await open(flags)
  const found = await inventory(loadAddon(), folder)
  if (flags.json) return void print(jsonLine({ folder: folder.root, ...found }))
  print(`${oneLine(folder.root)}: ${count(found.segments, 'segment')}, ${bytes(found.bytes)}`)
  for (const { root, files, tokens, bytes: size, usedAt, open } of found.workspaces) {
    const when = new Date(usedAt).toISOString().slice(0, 16).replace('T', ' ')
    print(`  ${oneLine(root)}  ${open ? 'open' : when}`)
    print(`      ${count(files, 'file')}, ${count(tokens, 'token')}, ${bytes(size)}`)
  }
  const { unnamed } = found
  if (unnamed.segments > 0)
    print(`  older versions and other branches: ${count(unnamed.segments, 'segment')}, ${bytes(unnamed.bytes)}`)
}

async function verifyAll(flags: MemoryFlags & { readonly repair?: boolean }): Promise<void> {
  const folder = await open(flags)
  const view = new ProgressView(process.stderr, flags.json === true)
  const result = await verify(loadAddon(), folder, {
    repair: flags.repair === true,
    onProgress: (done, total) => view.show({ phase: 'verify', done, total, unit: 'files', rate: 0 }),
  })
  view.clear()
  const { whole, damaged } = result
  if (flags.json) print(jsonLine(result))
  else {
    for (const { path, problem } of damaged) print(`  ${oneLine(path)} ${oneLine(problem)}`)
    print(
      `${count(whole, 'segment')} whole, ${count(damaged.length, 'file')} damaged${flags.repair && damaged.length > 0 ? ' and removed' : ''}.`,
    )
  }
  if (damaged.length > 0 && !flags.repair)
    throw new LongreadError('bad-segment', 'Some of what is kept is damaged. It is never used; --repair removes it.')
}

async function pruneAll(flags: MemoryFlags & { readonly keep: number; readonly unused?: boolean }): Promise<void> {
  const folder = await writable(flags)
  const result = await prune(loadAddon(), folder, { limit: flags.keep, unused: flags.unused === true })
  if (flags.json) return void print(jsonLine(result))
  print(
    `${count(result.removed, 'segment')} removed (${bytes(result.removedBytes)}), ${count(result.kept, 'segment')} kept (${bytes(result.keptBytes)}).`,
  )
  if (result.keptBytes > flags.keep) print('What is left is in use by workspaces that are open.')
}

async function clearAll(dir: string | undefined, flags: MemoryFlags): Promise<void> {
  const folder = await writable(flags)
  const root = dir === undefined ? undefined : await realpath(dir).catch(() => path.resolve(dir))
  const result = await clear(loadAddon(), folder, root)
  if (flags.json) return void print(jsonLine(result))
  print(`${count(result.removed, 'segment')} removed.`)
}

async function scanAll(flags: MemoryFlags & { readonly dryRun?: boolean }): Promise<void> {
  const remove = flags.dryRun !== true
  const folder = remove ? await writable(flags) : await open(flags)
  const view = new ProgressView(process.stderr, flags.json === true)
  const abort = new AbortController()
  const stop = () => abort.abort(cancelled())
  process.on('SIGINT', stop)
  try {
    const result = await scan(loadAddon(), folder, {
      remove,
      signal: abort.signal,
      onProgress: (done, total) => view.show({ phase: 'verify', done, total, unit: 'files', rate: 0 }),
    })
    view.clear()
    if (flags.json) return void print(jsonLine(result))
    for (const { workspace, file, reason } of result.found)
      print(`  ${oneLine(path.join(workspace, file))}  — ${oneLine(reason)}`)
    const { found, looked, byName } = result
    print(
      `${count(looked, 'segment')} looked through, ${count(byName, 'older one')} by their names alone (longread memory prune --unused removes those).`,
    )
    print(
      `${count(found.length, 'file')} found that may not be kept${found.length > 0 && remove ? ', and removed' : ''}.`,
    )
  } finally {
    view.clear()
    process.off('SIGINT', stop)
  }
}

async function writable(flags: MemoryFlags): Promise<MemoryFolder> {
  const folder = await open(flags)
  if (folder.problem !== undefined) throw folder.problem
  return folder
}
