/**
 * What the speed bench reads: real code of the corpus as episodes, laid out and cut as the product does; and stores filled to a
 * size by holding the same episodes under many names, since reading a million tokens takes an hour on two cores.
 */
import { readdir, readFile } from 'node:fs/promises'
import * as path from 'node:path'
import type { NativeCancel, NativeEpisode, NativeStore } from '../../../extension/engine/addon'
import type { Unit } from '../../../extension/protocol/types'
import { layOut, unitTexts, type Episode } from '../../../extension/recall/episode'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { Memory } from '../../../extension/recall/memory'
import { headsOf } from '../../../extension/recall/profile'
import { hearBank, type Bank } from '../../../extension/recall/bank'
import { cutUnits } from '../../../extension/workspace/units'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'

export interface SourceEpisode extends Episode {
  readonly file: string
  readonly units: readonly Unit[]
  readonly texts: readonly string[]
}

/** Python files of a repository of the corpus, in the order of their names. */
export async function sources(loaded: LoadedModel, repository: string): Promise<SourceEpisode[]> {
  const [chosen] = chooseRepositories([repository])
  if (chosen === undefined) throw new Error(`The corpus has no "${repository}".`)
  const { folder } = await fetchRepository(chosen)
  const root = path.join(folder, 'src')
  const episodes: SourceEpisode[] = []
  for (const file of (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.py')).toSorted()) {
    const text = await readFile(path.join(root, file), 'utf8')
    if (text.trim() === '') continue
    const units = await cutUnits(file, text)
    const texts = unitTexts(text, units)
    episodes.push({ file, units, texts, ...(await layOut(loaded.model, file, units, texts, true)) })
  }
  return episodes
}

/** The episodes as one, cut after `length` tokens. */
export function joined(episodes: readonly Episode[], length: number): Episode {
  const tokens = new Int32Array(length)
  const spans: number[] = []
  let at = 0
  for (const episode of episodes) {
    if (at >= length) break
    tokens.set(episode.tokens.subarray(0, length - at), at)
    for (let i = 0; i < episode.spans.length; i += 2) {
      const [start, end] = [at + episode.spans[i]!, at + episode.spans[i + 1]!]
      if (end <= length) spans.push(start, end)
    }
    at += episode.tokens.length
  }
  if (at < length) throw new Error(`The repository has ${at} tokens; ${length} are needed.`)
  return { tokens, spans: Uint32Array.from(spans) }
}

/** Reads episodes with everything that reading a workspace does: recall heads, window, sinks, bank. */
export class Reader {
  private bank: Bank | undefined

  constructor(
    readonly loaded: LoadedModel,
    private readonly cancel: NativeCancel,
  ) {}

  async read({ tokens, spans }: Episode): Promise<{ held: NativeEpisode; seconds: number }> {
    const { model, profile } = this.loaded
    const { window, sinks, keyFormat } = profile
    this.bank ??= await hearBank(this.loaded)
    const bank = this.bank
    const started = performance.now()
    const held = await model.read(
      { tokens, units: spans, heads: headsOf(profile), window, sinks, keyFormat, bank },
      this.cancel,
      () => undefined,
    )
    return { held, seconds: (performance.now() - started) / 1000 }
  }

  emptyStore(): NativeStore {
    const { addon, model, profile } = this.loaded
    return new addon.Store(model, headsOf(profile), profile.keyFormat)
  }
}

export interface ReadSource {
  readonly source: SourceEpisode
  readonly held: NativeEpisode
}

/** Puts the episodes again and again under new names, until `tokens` are held. */
export function fill(store: NativeStore, episodes: readonly ReadSource[], tokens: number): void {
  for (let held = 0, copy = 0; held < tokens; copy++) {
    const { source, held: episode } = episodes[copy % episodes.length]!
    store.put(`${copy}/${source.file}`, episode)
    held += episode.tokens
  }
}

/** A memory that was filled, not read. Every copy of an episode is a segment of its own on disk, so that none is in a cache. */
export class FilledMemory extends Memory {
  tokens = 0
  private readonly texts = new Map<string, string>()

  /** No copy of a file is on disk, and yet its units can be read again. */
  override readonly unsaved = (file: string): string | undefined => this.texts.get(file)

  async fillTo(tokens: number, episodes: readonly ReadSource[], folder: string): Promise<void> {
    for (let copy = this.files().length; this.tokens < tokens; copy++) {
      const { source, held } = episodes[copy % episodes.length]!
      const file = `${copy}/${source.file}`
      const segment = path.join(folder, `${copy}.segment`)
      await held.save(segment, `${segment}.aside`, '{}')
      const { episode } = await this.loaded.addon.mapEpisode(segment)
      const text = source.texts.join('')
      this.texts.set(file, text)
      this.hold({ file, text, name: '', units: source.units, tokens: held.tokens, kept: true }, episode)
      this.tokens += held.tokens
    }
  }
}
