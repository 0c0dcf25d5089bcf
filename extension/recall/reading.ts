/** One file through the model: its units laid out as an episode and read, with the bank's statistics. */
import { cancellable, type NativeEpisode } from '../engine/addon'
import type { Progress, Unit } from '../protocol/types'
import { bankOf, type Bank } from './bank'
import { layOut } from './episode'
import type { LoadedModel } from './memory'
import { headsOf } from './profile'

export interface EpisodeSource {
  readonly file: string
  readonly units: readonly Unit[]
  /** Of each unit. */
  readonly texts: readonly string[]
}

export interface EpisodeListeners {
  readonly onTokens: (tokens: number, of: number) => void
  /** The bank was heard, which took so long. */
  readonly onHeard: (milliseconds: number) => void
  readonly progress: (progress: Progress) => void
}

export class EpisodeReader {
  private known: Bank | undefined

  constructor(
    private readonly loaded: LoadedModel,
    private readonly breadcrumbs: boolean,
    /** Where the bank is kept, or null. */
    private readonly banks: string | null,
  ) {}

  /** The reference questions as the heads hear them. */
  async bank(signal: AbortSignal, progress: (progress: Progress) => void): Promise<Bank> {
    return (this.known ??= await bankOf(this.loaded, { folder: this.banks, signal, progress }))
  }

  /** Rejects with cancelled within a batch. `tokens` are all that were read, header and breadcrumbs included. */
  async read(
    { file, units, texts }: EpisodeSource,
    signal: AbortSignal,
    { onTokens, onHeard, progress }: EpisodeListeners,
  ): Promise<{ readonly episode: NativeEpisode | undefined; readonly tokens: number }> {
    const { addon, model, profile } = this.loaded
    // Without recall heads there are no keys to keep.
    if (profile.heads.length === 0) return { episode: undefined, tokens: 0 }
    const { tokens, spans } = layOut(model, file, units, texts, this.breadcrumbs)
    const started = performance.now()
    const known = this.known
    const bank = profile.bank.length > 0 ? await this.bank(signal, progress) : undefined
    if (bank && !known) onHeard(performance.now() - started)
    const { window, sinks, keyFormat } = profile
    const episode = await cancellable(addon, signal, (cancel) =>
      model.read(
        { tokens, units: spans, heads: headsOf(profile), window, sinks, keyFormat, ...(bank ? { bank } : {}) },
        cancel,
        (read) => onTokens(read, tokens.length),
      ),
    )
    return { episode, tokens: tokens.length }
  }
}
