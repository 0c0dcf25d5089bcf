/** What people see and check of the memory: its workspaces, whether every segment is whole, and how to be rid of it. */
import { rm } from 'node:fs/promises'
import type { NativeAddon } from '../engine/addon'
import { LongreadError } from '../errors'
import type { MemoryFolder } from './folder'
import { allManifests, isOpen, manifestKeys, namesIn, readManifest } from './manifest'
import { removeWorkspace, segmentFiles } from './prune'
import { mapSegment } from './segments'
import { forgetStreams } from './streams'

export interface KeptWorkspace {
  readonly root: string
  readonly model: string
  readonly files: number
  readonly units: number
  readonly tokens: number
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly usedAt: number
  readonly open: boolean
}

export interface Inventory {
  readonly workspaces: readonly KeptWorkspace[]
  readonly segments: number
  readonly bytes: number
  /** Segments that no workspace names: older versions, other branches. */
  readonly unnamed: { readonly segments: number; readonly bytes: number }
}

export async function inventory(addon: NativeAddon, folder: MemoryFolder): Promise<Inventory> {
  const files = await segmentFiles(folder)
  const sizes = new Map(files.flatMap(({ name, bytes }) => (name === undefined ? [] : [[name, bytes] as const])))
  const named = new Set<string>()
  const workspaces: KeptWorkspace[] = []
  for (const manifest of await allManifests(folder)) {
    const { key, root, naming, asOf, files: held } = manifest
    const entries = Object.values(held)
    for (const name of namesIn(manifest)) named.add(name)
    workspaces.push({
      root,
      model: naming.model,
      files: entries.length,
      units: entries.reduce((sum, { units }) => sum + units, 0),
      tokens: entries.reduce((sum, { tokens }) => sum + tokens, 0),
      bytes: entries.reduce((sum, { name }) => sum + (sizes.get(name) ?? 0), 0),
      usedAt: asOf,
      open: isOpen(addon, folder, key),
    })
  }
  const unnamed = files.filter(({ name }) => name === undefined || !named.has(name))
  const sum = (list: typeof files) => list.reduce((bytes, file) => bytes + file.bytes, 0)
  return {
    workspaces: workspaces.sort((a, b) => b.usedAt - a.usedAt),
    segments: files.length,
    bytes: sum(files),
    unnamed: { segments: unnamed.length, bytes: sum(unnamed) },
  }
}

export interface Verified {
  readonly whole: number
  /** What is damaged, and how. */
  readonly damaged: readonly { readonly path: string; readonly problem: string }[]
}

/** Reads every byte. `repair` removes what is damaged; the files are read again when they are next wanted. */
export async function verify(
  addon: NativeAddon,
  folder: MemoryFolder,
  options: { readonly repair: boolean; readonly onProgress?: (done: number, total: number) => void },
): Promise<Verified> {
  const damaged: { path: string; problem: string }[] = []
  const files = await segmentFiles(folder)
  for (const [done, { path }] of files.entries()) {
    options.onProgress?.(done, files.length)
    const problem = await problemOf(addon, path)
    if (problem !== undefined) damaged.push({ path, problem })
  }
  for (const key of await manifestKeys(folder))
    if ((await readManifest(folder, key)) === 'damaged')
      damaged.push({ path: `${folder.workspaces}/${key}.manifest`, problem: 'is damaged or of another version' })
  if (options.repair) for (const { path } of damaged) await rm(path, { force: true, recursive: true })
  const broken = damaged.filter(({ path }) => path.startsWith(folder.segments)).length
  return { whole: files.length - broken, damaged }
}

async function problemOf(addon: NativeAddon, file: string): Promise<string | undefined> {
  try {
    const { episode } = await mapSegment(addon, file)
    return (await episode.check()) ? undefined : 'has damaged keys'
  } catch (thrown) {
    if (!(thrown instanceof LongreadError)) throw thrown
    // Pruned while it was looked at.
    return thrown.code === 'no-segment'
      ? undefined
      : thrown.message.replace(`${file} `, '').replace(/; the file .*/, '')
  }
}

/** Removes everything, or one workspace and what only it names. Throws usage while a process has it open. */
export async function clear(addon: NativeAddon, folder: MemoryFolder, root?: string): Promise<{ removed: number }> {
  const keys = await manifestKeys(folder)
  const all = await allManifests(folder)
  const chosen = root === undefined ? keys : all.flatMap((one) => (one.root === root ? [one.key] : []))
  const open = chosen.find((key) => isOpen(addon, folder, key))
  if (open !== undefined)
    throw new LongreadError(
      'usage',
      `${all.find(({ key }) => key === open)?.root ?? 'A workspace'} is open in another process. Close it first.`,
    )
  const others = new Set(all.filter(({ key }) => !chosen.includes(key)).flatMap(namesIn))
  const mine = new Set(all.filter(({ key }) => chosen.includes(key)).flatMap(namesIn))
  for (const key of chosen) await removeWorkspace(folder, key)
  let removed = 0
  for (const { path, name } of await segmentFiles(folder)) {
    const goes = root === undefined || (name !== undefined && mine.has(name) && !others.has(name))
    if (!goes) continue
    await rm(path, { force: true, recursive: true })
    removed++
  }
  if (chosen.length > 0 || root === undefined) await folder.forgetSummaries()
  if (root === undefined) await rm(folder.banks, { force: true, recursive: true })
  await forgetStreams(folder.root, root)
  return { removed }
}
