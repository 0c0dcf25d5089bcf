/**
 * Looks through everything that is kept for what may not be: files that are ignored now, and secrets that today's rules find where
 * yesterday's did not. What is kept of a file is keys, names of symbols and its path, no text; so its text is looked through where
 * it is at hand, in the workspace, and the names where it is not.
 */
import type { NativeAddon } from '../engine/addon'
import { discover, readSource } from '../workspace/discovery'
import { byFile, passing, reasonFor } from '../workspace/skipped'
import { secretByName, secretInText } from '../workspace/secrets'
import type { MemoryFolder } from './folder'
import { allManifests, isOpen, namesOf, writeManifest, type StoredManifest } from './manifest'
import { segmentName } from './naming'
import { segmentFiles } from './prune'
import { mapSegment, Segments } from './segments'

export interface Found {
  readonly workspace: string
  readonly file: string
  readonly reason: string
}

export interface Scanned {
  /** What may not be kept. */
  readonly found: readonly Found[]
  /** Segments whose text was looked through. */
  readonly looked: number
  /** Segments whose text is no longer at hand: only their names were looked through. */
  readonly byName: number
}

export interface ScanOptions {
  /** What is found is removed: every version of the file that no other workspace holds. */
  readonly remove: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export async function scan(addon: NativeAddon, folder: MemoryFolder, options: ScanOptions): Promise<Scanned> {
  const found: Found[] = []
  const seen = new Set<string>()
  const manifests = await allManifests(folder)
  const total = (await segmentFiles(folder)).length
  for (const manifest of manifests) {
    const bad = await lookThrough(manifest, seen, () => options.onProgress?.(seen.size, total), options.signal)
    found.push(...[...bad].map(([file, reason]) => ({ workspace: manifest.root, file, reason })))
    if (options.remove && bad.size > 0) await remove(addon, folder, manifest, manifests, new Set(bad.keys()))
  }
  let byName = 0
  for (const { path, name } of await segmentFiles(folder)) {
    if (name !== undefined && seen.has(name)) continue
    const stored = await mapSegment(addon, path).catch(() => undefined)
    if (stored === undefined) continue
    byName++
    const { file, units } = stored.metadata
    const names = [file, ...units.map(({ symbol }) => symbol)].join('\n')
    const secret = secretByName(file) ?? (await secretInText(file, names))?.what
    if (secret === undefined) continue
    found.push({ workspace: '', file, reason: `secret: ${secret}` })
    if (options.remove) await new Segments(addon, folder).forget(file, new Set())
  }
  if (options.remove && found.length > 0) await folder.forgetSummaries()
  return { found, looked: seen.size, byName }
}

/** The files of a workspace that may not be kept, with the reasons. `seen` gets the names of what was looked through. */
async function lookThrough(
  { root, naming, files, also = {} }: StoredManifest,
  seen: Set<string>,
  tell: () => void,
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const bad = new Map<string, string>()
  const names = [...new Set([...Object.keys(files), ...Object.keys(also)])]
  // A workspace that is gone has no texts.
  const discovered = await discover(root, { only: names, signal }).catch(() => undefined)
  if (discovered === undefined) return bad
  const skipped = byFile(discovered.skipped)
  for (const file of names) {
    signal?.throwIfAborted()
    const reason = reasonFor(skipped, file)
    if (reason !== undefined && !passing.test(reason)) bad.set(file, reason)
  }
  for (const { file, wanted } of discovered.files) {
    signal?.throwIfAborted()
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) {
      if (source.skipped.startsWith('secret')) bad.set(file, source.skipped)
    } else if (segmentName(naming, file, source.text) === files[file]?.name) seen.add(files[file].name)
    tell()
  }
  return bad
}

async function remove(
  addon: NativeAddon,
  folder: MemoryFolder,
  { key, ...manifest }: StoredManifest,
  all: readonly StoredManifest[],
  files: ReadonlySet<string>,
): Promise<void> {
  const segments = new Segments(addon, folder)
  for (const file of files) {
    const kept = all.flatMap((other) => (other.key === key ? [] : namesOf(other, file)))
    await segments.forget(file, new Set(kept))
  }
  // Who has it open writes its manifest itself, and drops the files when it looks again.
  if (isOpen(addon, folder, key)) return
  const without = <T>(all: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(all).filter(([file]) => !files.has(file)))
  await writeManifest(folder, key, { ...manifest, files: without(manifest.files), also: without(manifest.also ?? {}) })
}
