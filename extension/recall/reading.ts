/** Files through the model: their units laid out as episodes and read, with the bank's statistics. */
import { cancellable, type NativeEpisode } from '../engine/addon'
import type { Progress, Unit } from '../protocol/types'
import { bankOf, type Bank } from './bank'
import { layOut, type Episode } from './episode'
import type { LoadedModel } from './loaded'
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

  /** Tokens that are best read in one call; 0: a file a call. */
  get together(): number {
    return this.loaded.profile.heads.length > 0 ? this.loaded.model.info().together : 0
  }

  /** The reference questions as the heads hear them. */
  async bank(signal: AbortSignal, progress: (progress: Progress) => void): Promise<Bank> {
    return (this.known ??= await bankOf(this.loaded, { folder: this.banks, signal, progress }))
  }

  /** A file as the model will read it; undefined without recall heads, when there are no keys to keep. */
  async layOut({ file, units, texts }: EpisodeSource): Promise<Episode | undefined> {
    const { model, profile } = this.loaded
    return profile.heads.length > 0 ? layOut(model, file, units, texts, this.breadcrumbs) : undefined
  }

  /** Rejects with cancelled within a batch. */
  async read(
    episodes: readonly Episode[],
    signal: AbortSignal,
    { onTokens, onHeard, progress }: EpisodeListeners,
  ): Promise<NativeEpisode[]> {
    if (episodes.length === 0) return []
    const { addon, model, profile } = this.loaded
    const started = performance.now()
    const known = this.known
    const bank = profile.bank.length > 0 ? await this.bank(signal, progress) : undefined
    if (bank && !known) onHeard(performance.now() - started)
    const { window, sinks, keyFormat } = profile
    const all = episodes.reduce((sum, { tokens }) => sum + tokens.length, 0)
    return cancellable(addon, signal, (cancel) =>
      model.readMany(
        episodes.map(({ tokens, spans }) => ({ tokens, units: spans })),
        { heads: headsOf(profile), window, sinks, keyFormat, ...(bank ? { bank } : {}) },
        cancel,
        (read) => onTokens(read, all),
      ),
    )
  }
}
