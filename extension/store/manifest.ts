/**
 * The manifest of a workspace: which files it holds under which segments. Segments are found by content and need none; it is there
 * so that pruning keeps what workspaces need, that what a workspace may no longer hold is removed also after a restart, and for
 * people to see. The first line holds the format and the SHA-256 of the rest; a manifest of another format or a damaged one counts
 * as none.
 *
 * Several processes may have one workspace open. Who writes the manifest keeps what the others have written in it (`also`).
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readdir, readFile, rename, rm, utimes } from 'node:fs/promises'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { NativeAddon, NativeLock } from '../engine/addon'
import { diskFailure } from '../errors'
import { hasCode, shortHash, type MemoryFolder } from './folder'
import type { Naming } from './naming'

/** Raised whenever its meaning changes. */
const format = 'longread manifest 1'
/** Bytes; a damaged one has no end of its first line. */
const longestHead = 256

export interface ManifestFile {
  /** Name of its segment. */
  readonly name: string
  readonly tokens: number
  readonly units: number
}

export interface Manifest {
  /** The workspace's folder. */
  readonly root: string
  readonly naming: Naming
  /** When this was true (ms). Segments that were used later may belong to the workspace as well. */
  readonly asOf: number
  readonly files: Readonly<Record<string, ManifestFile>>
  /** Names of segments of other processes that have the workspace open, by file, the newest first. */
  readonly also?: Readonly<Record<string, readonly string[]>>
}

/** Every segment that a workspace holds. */
export const namesIn = ({ files, also = {} }: Manifest): string[] => [
  ...Object.values(files).map(({ name }) => name),
  ...Object.values(also).flat(),
]

/** Those that it holds of one file. */
export const namesOf = ({ files, also = {} }: Manifest, file: string): string[] => [
  ...(files[file] ? [files[file].name] : []),
  ...(also[file] ?? []),
]

export interface StoredManifest extends Manifest {
  readonly key: string
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

export const manifestFile = (folder: MemoryFolder, key: string): string =>
  path.join(folder.workspaces, `${key}.manifest`)

export const lockFile = (folder: MemoryFolder, key: string): string => path.join(folder.workspaces, `${key}.lock`)

export const writingFile = (folder: MemoryFolder, key: string): string => path.join(folder.workspaces, `${key}.writing`)

/** The manifest, `undefined` when there is none, `damaged` when it is that or of another version. */
export async function readManifest(folder: MemoryFolder, key: string): Promise<Manifest | 'damaged' | undefined> {
  let text: string
  try {
    text = await readFile(manifestFile(folder, key), 'utf8')
  } catch (thrown) {
    return hasCode(thrown, 'ENOENT') ? undefined : 'damaged'
  }
  const end = text.indexOf('\n')
  const body = text.slice(end + 1)
  if (text.slice(0, end) !== `${format} ${key} ${digest(body)}`) return 'damaged'
  // What has its checksum is what was written.
  return JSON.parse(body) as Manifest
}

/** The first line of what is there now, which tells whether it is still what was read or written; undefined where nothing is. */
export async function headOf(folder: MemoryFolder, key: string): Promise<string | undefined> {
  const file = await open(manifestFile(folder, key), 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHead), 0, longestHead, 0)
    return buffer.toString('utf8', 0, bytesRead).split('\n', 1)[0]
  } finally {
    await file.close()
  }
}

/** When it resolves, the manifest outlives a crash; gives its first line. Rejects with disk. */
export async function writeManifest(folder: MemoryFolder, key: string, manifest: Manifest): Promise<string> {
  const target = manifestFile(folder, key)
  const aside = folder.aside()
  const body = JSON.stringify(manifest)
  const head = `${format} ${key} ${digest(body)}`
  try {
    const file = await open(aside, 'wx', 0o600)
    try {
      await file.writeFile(`${head}\n${body}`)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(aside, target)
    await syncFolder(folder.workspaces)
    return head
  } catch (cause) {
    await rm(aside, { force: true }).catch(() => undefined)
    throw diskFailure(target, cause)
  }
}

/** Some file systems cannot sync folders; then there is nothing to do. */
async function syncFolder(folder: string): Promise<void> {
  const file = await open(folder, 'r')
  await file.sync().catch(() => undefined)
  await file.close()
}

export const workspaceKey = (root: string, naming: Naming): string => shortHash(JSON.stringify([root, naming]))

/** Keys of all workspaces that have a manifest, whole or not. */
export async function manifestKeys(folder: MemoryFolder): Promise<string[]> {
  const names = await readdir(folder.workspaces).catch(() => [])
  return names.flatMap((name) => (name.endsWith('.manifest') ? [name.slice(0, -'.manifest'.length)] : [])).sort()
}

export async function allManifests(folder: MemoryFolder): Promise<StoredManifest[]> {
  const manifests: StoredManifest[] = []
  for (const key of await manifestKeys(folder)) {
    const manifest = await readManifest(folder, key)
    if (manifest !== undefined && manifest !== 'damaged') manifests.push({ key, ...manifest })
  }
  return manifests
}

export interface Hold {
  readonly lock: NativeLock
  /** No other process had the workspace open. */
  readonly alone: boolean
}

/** Says that this process has the workspace open, until it is released or the process ends. Throws disk. */
export async function holdWorkspace(addon: NativeAddon, folder: MemoryFolder, key: string): Promise<Hold> {
  const file = lockFile(folder, key)
  const lock = new addon.Lock(file)
  const alone = lock.take(true)
  // Until there is a manifest, this says since when anything may be in use.
  const now = new Date()
  if (alone) await utimes(file, now, now).catch(() => undefined)
  // It is taken exclusively only for moments, by who looks whether anybody is here.
  while (!lock.take(false)) await delay(5)
  return { lock, alone }
}

/** Work on a manifest that no other process does at the same time. Throws disk. */
export async function aloneWith<T>(
  addon: NativeAddon,
  folder: MemoryFolder,
  key: string,
  work: () => Promise<T>,
): Promise<T> {
  const lock = new addon.Lock(writingFile(folder, key))
  try {
    while (!lock.take(true)) await delay(5)
    return await work()
  } finally {
    lock.release()
  }
}

/** Whether any process has the workspace open, this one included. */
export function isOpen(addon: NativeAddon, folder: MemoryFolder, key: string): boolean {
  const file = lockFile(folder, key)
  if (!existsSync(file)) return false
  const lock = new addon.Lock(file)
  try {
    return !lock.take(true)
  } finally {
    lock.release()
  }
}
