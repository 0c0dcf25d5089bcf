/**
 * Large memories without reading for hours: some sources are read once by the real model, and what was read of them is kept again
 * and again under the names of copies. Keys, statistics and units are real; only that a copy's path is not what the model read is not.
 */
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, packageRoot } from '../../../extension/engine/addon'
import { resolveModel } from '../../../extension/engine/catalogue'
import { fingerprint } from '../../../extension/engine/model-file'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { Memory } from '../../../extension/recall/memory'
import { defaultProfile, profileFor, profileKey } from '../../../extension/recall/profile'
import { MemoryFolder } from '../../../extension/store/folder'
import { namingVersion, segmentName } from '../../../extension/store/naming'
import { Segments } from '../../../extension/store/segments'
import { secretRules } from '../../../extension/workspace/secrets'
import { temporaryFolder } from '../../support/temp'

export async function loadDefaultModel(threads = 2): Promise<LoadedModel> {
  const addon = loadAddon()
  const { path } = await resolveModel()
  const options = { path, weights: 'fast', threads, libraries: librariesFolder() } as const
  const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
  return {
    addon,
    model,
    profile: profileFor(model.info()) ?? defaultProfile,
    threads,
    fingerprint: `${fingerprint(path)}-fast`,
  }
}

/** Reads a folder of this repository's sources once. */
export async function readOnce(loaded: LoadedModel, folder: string): Promise<Memory> {
  const root = realpathSync(temporaryFolder())
  cpSync(join(packageRoot(), folder), root, { recursive: true, filter: (file) => !file.endsWith('.md') })
  const memory = new Memory(root, loaded)
  const options = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined }
  await memory.read(options)
  return memory
}

/** Fills a workspace and a memory with copies until `tokens` are kept. Gives how many files and tokens there are. */
export async function repeat(
  read: Memory,
  workspace: string,
  memory: string,
  tokens: number,
): Promise<{ files: number; tokens: number }> {
  const { addon, fingerprint: model, profile } = read.loaded
  const naming = { version: namingVersion, model, profile: profileKey(profile), breadcrumbs: true }
  const segments = new Segments(addon, await MemoryFolder.open(memory, workspace))
  const made = { files: 0, tokens: 0 }
  for (let copy = 0; made.tokens < tokens; copy++)
    for (const original of read.files()) {
      const text = readFileSync(join(read.root, original), 'utf8')
      const file = `copy${copy}/${original}`
      mkdirSync(dirname(join(workspace, file)), { recursive: true })
      writeFileSync(join(workspace, file), text)
      const episode = read.store.get(original)
      const units = read
        .unitsOf(original)
        .map(({ startLine, endLine, kind, symbol }) => ({ startLine, endLine, kind, symbol }))
      const name = segmentName(naming, file, text)
      await segments.save(episode, { name, file, units, tokens: episode.tokens, secretRules })
      made.files++
      made.tokens += episode.tokens
    }
  return made
}
