/**
 * Files on their way from the backlog to the model. A processor reads one after the other; a GPU is kept busy only by many in one
 * call, and by the next ones being cut and tokenised while it reads. What was taken and not read goes back.
 */
import type { Backlog, Waiting } from './backlog'

/** Tokens of code have about three bytes; groups need not be exact. */
const bytesPerToken = 3
/** Texts and units of a group lie in memory, so that small files do not make it endless. */
const mostFiles = 512

/** Files that are prepared at once. */
const atOnce = 8

export interface Gathered<T> {
  readonly next: Waiting
  readonly prepared: T
}

interface Group<T> {
  readonly files: readonly Waiting[]
  readonly prepared: Promise<readonly T[]>
}

export class Gather<T> {
  private taken: readonly Waiting[] = []
  private ahead: Group<T> | undefined

  /** `tokens` are best read in one call; 0: a file a call, and nothing ahead. */
  constructor(
    private readonly backlog: Backlog,
    private readonly tokens: number,
    private readonly prepare: (next: Waiting, signal: AbortSignal) => Promise<T>,
  ) {}

  /**
   * The files that come next, ready to be read; none when none waits. With `urgent` only such as were just saved. Rejects as `prepare`
   * does, and what was taken is then still to be put back.
   */
  async next(urgent: boolean, signal: AbortSignal): Promise<readonly Gathered<T>[]> {
    const group = this.ahead ?? this.begin(urgent, signal)
    this.ahead = undefined
    this.taken = group.files
    const prepared = await group.prepared
    return group.files.flatMap((next, i) => {
      const one = prepared[i]
      return one === undefined ? [] : [{ next, prepared: one }]
    })
  }

  /** While the model reads what `next` gave. */
  prepareAhead(urgent: boolean, signal: AbortSignal): void {
    if (this.tokens === 0 || this.ahead) return
    const group = this.begin(urgent, signal)
    if (group.files.length === 0) return
    // Whoever asks for it hears of what went wrong; nobody may.
    group.prepared.catch(() => undefined)
    this.ahead = group
  }

  /** What `next` gave was read. */
  done(): void {
    this.taken = []
  }

  /** What was taken and not read waits again. To be called before others may change the backlog: what was prepared is forgotten. */
  async putBack(): Promise<void> {
    const ahead = this.ahead
    for (const next of [...this.taken, ...(ahead?.files ?? [])]) this.backlog.putBack(next)
    this.taken = []
    this.ahead = undefined
    // It changes what is held, so it must have ended.
    await ahead?.prepared.catch(() => undefined)
  }

  private begin(urgent: boolean, signal: AbortSignal): Group<T> {
    const files: Waiting[] = []
    let bytes = 0
    do {
      const next = this.backlog.take(urgent)
      if (next === undefined) break
      files.push(next)
      bytes += next.size
    } while (bytes < this.tokens * bytesPerToken && files.length < mostFiles)
    return { files, prepared: this.prepareAll(files, signal) }
  }

  /** Several on their way at once, since other threads read and tokenise for them. What fails ends the rest. */
  private async prepareAll(files: readonly Waiting[], signal: AbortSignal): Promise<readonly T[]> {
    const prepared: T[] = []
    const left = files.entries()
    let failed = false
    const lane = async () => {
      for (const [i, next] of left) {
        if (failed) return
        try {
          prepared[i] = await this.prepare(next, signal)
        } catch (thrown) {
          failed = true
          throw thrown
        }
      }
    }
    // When it ends, all have ended.
    const lanes = await Promise.allSettled(Array.from({ length: Math.min(atOnce, files.length) }, lane))
    for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
    return prepared
  }
}
