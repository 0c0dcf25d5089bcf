/**
 * Keeping the memory within a size: what was used longest ago goes first, and nothing that an open workspace needs. A workspace
 * needs what its manifest names and what was used after that was written; it is open while a process holds its lock.
 *
 * Processes do not wait for one another. A segment is moved aside before it is removed and looked at again there: when somebody has
 * just used it, it is moved back; who comes in between finds it gone and writes it again (segments.ts).
 */
import { lstat, readdir, rename, rm } from 'node:fs/promises'
import * as path from 'node:path'
import type { NativeAddon } from '../engine/addon'
import type { MemoryFolder } from './folder'
import {
  isOpen,
  lockFile,
  manifestFile,
  manifestKeys,
  namesIn,
  readManifest,
  writingFile,
  type Manifest,
} from './manifest'

export interface SegmentFile {
  readonly path: string
  /** Undefined for what no version of Longread that is known here has named. */
  readonly name: string | undefined
  readonly bytes: number
  /** Milliseconds. */
  readonly usedAt: number
}

export interface Pruned {
  readonly removed: number
  readonly removedBytes: number
  readonly kept: number
  readonly keptBytes: number
}

export interface PruneOptions {
  /** Bytes of segments that may stay; `Infinity`: no limit. */
  readonly limit: number
  /** Also removes what no workspace names, and workspaces whose folder is gone. */
  readonly unused?: boolean
}

/** The clocks of file systems are coarse (ms). */
const margin = 100

/** Everything in the folder of segments. */
export async function segmentFiles(folder: MemoryFolder): Promise<SegmentFile[]> {
  const found: SegmentFile[] = []
  for (const part of await readdir(folder.segments).catch(() => [])) {
    const parent = path.join(folder.segments, part)
    // What is not a folder comes from another version.
    for (const base of await readdir(parent).catch(() => [''])) {
      const file = path.join(parent, base)
      const stats = await lstat(file).catch(() => undefined)
      if (stats === undefined) continue
      const name = /^[0-9a-f]{16}-([0-9a-f]{64})\.segment$/.exec(base)?.[1]
      found.push({ path: file, name, bytes: stats.size, usedAt: stats.mtimeMs })
    }
  }
  return found
}

interface Needs {
  /** Named by a workspace that is open. */
  readonly byOpen: Set<string>
  /** Named by any workspace. */
  readonly byAny: Set<string>
  /** What was used from then on may be needed by an open workspace. */
  since: number
}

export async function prune(addon: NativeAddon, folder: MemoryFolder, options: PruneOptions): Promise<Pruned> {
  await folder.tidy()
  // Segments are listed before manifests are read: what comes in between is not in the list and stays.
  const files = await segmentFiles(folder)
  if (options.unused === true) await forgetGoneWorkspaces(addon, folder)
  const needs = await needsOf(addon, folder)
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  let [removed, removedBytes] = [0, 0]
  for (const file of files.toSorted((a, b) => a.usedAt - b.usedAt)) {
    const unused = options.unused === true && (file.name === undefined || !needs.byAny.has(file.name))
    if (bytes <= options.limit && !unused) continue
    if (file.usedAt >= needs.since || (file.name !== undefined && needs.byOpen.has(file.name))) continue
    if (!(await removeUnlessUsed(folder, file))) continue
    bytes -= file.bytes
    removed++
    removedBytes += file.bytes
  }
  return { removed, removedBytes, kept: files.length - removed, keptBytes: bytes }
}

async function needsOf(addon: NativeAddon, folder: MemoryFolder): Promise<Needs> {
  const needs: Needs = { byOpen: new Set(), byAny: new Set(), since: Infinity }
  for (const key of await workspaceKeys(folder)) {
    const open = isOpen(addon, folder, key)
    const manifest = await readManifest(folder, key)
    const readable = manifest !== undefined && manifest !== 'damaged'
    for (const name of readable ? namesIn(manifest) : []) {
      needs.byAny.add(name)
      if (open) needs.byOpen.add(name)
    }
    if (open) needs.since = Math.min(needs.since, (await asOf(folder, key, manifest)) - margin)
  }
  return needs
}

async function asOf(folder: MemoryFolder, key: string, manifest: Manifest | 'damaged' | undefined): Promise<number> {
  if (manifest === 'damaged') return 0
  if (manifest !== undefined) return manifest.asOf
  return lstat(lockFile(folder, key)).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
}

/** Of workspaces with a manifest, and of those that have just been opened for the first time. */
async function workspaceKeys(folder: MemoryFolder): Promise<Set<string>> {
  const locks = (await readdir(folder.workspaces).catch(() => [])).filter((name) => name.endsWith('.lock'))
  return new Set([...(await manifestKeys(folder)), ...locks.map((name) => name.slice(0, -'.lock'.length))])
}

async function forgetGoneWorkspaces(addon: NativeAddon, folder: MemoryFolder): Promise<void> {
  for (const key of await workspaceKeys(folder)) {
    const manifest = await readManifest(folder, key)
    const there = manifest !== undefined && manifest !== 'damaged' && (await exists(manifest.root))
    if (!there && !isOpen(addon, folder, key)) await removeWorkspace(folder, key)
  }
}

const exists = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  )

/** Its manifest and locks; segments stay until they are pruned. */
export async function removeWorkspace(folder: MemoryFolder, key: string): Promise<void> {
  for (const file of [manifestFile, lockFile, writingFile].map((one) => one(folder, key)))
    await rm(file, { force: true })
}

/** False when somebody has used it since it was listed. */
async function removeUnlessUsed(folder: MemoryFolder, file: SegmentFile): Promise<boolean> {
  const aside = folder.aside()
  try {
    if ((await lstat(file.path)).mtimeMs !== file.usedAt) return false
    await rename(file.path, aside)
  } catch {
    return false
  }
  if ((await lstat(aside)).mtimeMs !== file.usedAt) {
    await rename(aside, file.path)
    return false
  }
  await rm(aside, { force: true, recursive: true })
  return true
}
