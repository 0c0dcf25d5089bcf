/**
 * A memory beyond what may be resident: episodes of the default model that were read once, kept in as many files as it takes, mapped,
 * and asked. Scores are exact, over every key; statistics of reference questions are left out, which changes neither time nor memory.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable } from '../../../extension/engine/addon'
import { layOut, unitTexts } from '../../../extension/recall/episode'
import { headsOf } from '../../../extension/recall/profile'
import { hear } from '../../../extension/recall/question'
import { cutUnits } from '../../../extension/workspace/units'
import { packageRoot } from '../../../extension/engine/addon'
import { temporaryFolder } from '../../support/temp'
import { loadDefaultModel } from './repeat'

export interface FarResult {
  readonly files: number
  readonly tokens: number
  readonly bytes: number
  readonly mapMs: number
  readonly questionMs: readonly number[]
  /** The most that was resident since the files were mapped, and what was before (bytes). */
  readonly resident: number
  readonly residentBefore: number
}

const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

export async function far(tokens: number): Promise<FarResult> {
  const loaded = await loadDefaultModel()
  const { addon, model, profile } = loaded
  const source = 'extension/store/manifest.ts'
  const text = readFileSync(join(packageRoot(), source), 'utf8')
  const units = await cutUnits(source, text)
  const laid = layOut(model, source, units, unitTexts(text, units), true)
  const { window, sinks, keyFormat } = profile
  const read = { tokens: laid.tokens, units: laid.spans, heads: headsOf(profile), window, sinks, keyFormat }
  const episode = await cancellable(addon, undefined, (cancel) => model.read(read, cancel, () => undefined))
  const heard = []
  for (const question of [
    'Where is a manifest written?',
    'What says that a workspace is open?',
    'Where are folders synced?',
  ])
    heard.push(await hear(loaded, question))
  const folder = temporaryFolder()
  try {
    const files = Array.from({ length: Math.ceil(tokens / episode.tokens) }, (_, i) => join(folder, `${i}.segment`))
    for (const file of files) await episode.save(file, `${file}.aside`, '')
    const residentBefore = resident()
    const store = new addon.Store(model, headsOf(profile), keyFormat)
    const mapped = performance.now()
    for (const file of files) store.put(file, (await addon.mapEpisode(file)).episode)
    const mapMs = performance.now() - mapped
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, resident())), 50)
    const questionMs: number[] = []
    for (const { queries, tokens: rows } of heard) {
      const started = performance.now()
      await cancellable(addon, undefined, (cancel) => store.score(files, queries, rows, loaded.threads, cancel))
      questionMs.push(performance.now() - started)
    }
    clearInterval(watch)
    most = Math.max(most, resident())
    const held = files.length * episode.tokens
    return {
      files: files.length,
      tokens: held,
      bytes: store.bytes(),
      mapMs,
      questionMs,
      resident: most,
      residentBefore,
    }
  } finally {
    rmSync(folder, { recursive: true })
    model.dispose()
  }
}
