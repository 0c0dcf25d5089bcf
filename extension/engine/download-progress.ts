/** Progress of a download: at most ten reports a second, with the rate over the last seconds and the time that is left. */
import type { Progress } from '../protocol/types'

export type OnProgress = (progress: Progress) => void

const EVERY_MS = 100
const RATE_OVER_MS = 5000

export class DownloadProgress {
  readonly #samples: { readonly at: number; readonly done: number }[] = []
  #reported = -Infinity

  constructor(
    private readonly onProgress: OnProgress | undefined,
    private readonly detail: string,
  ) {}

  /** @param done Bytes that are here. @param total 0 while it is not known. */
  report(done: number, total: number): void {
    const now = performance.now()
    const finished = total > 0 && done >= total
    if (!this.onProgress || (!finished && now - this.#reported < EVERY_MS)) return
    this.#reported = now
    const samples = this.#samples
    // A download that starts again has less than before; what it had says nothing about its rate.
    if (done < (samples.at(-1)?.done ?? 0)) samples.length = 0
    samples.push({ at: now, done })
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > RATE_OVER_MS) samples.shift()
    const first = samples[0]
    const seconds = first ? (now - first.at) / 1000 : 0
    const rate = first && seconds > 0 ? (done - first.done) / seconds : 0
    this.onProgress({
      phase: 'download',
      done,
      total,
      unit: 'bytes',
      rate,
      ...(rate > 0 && total > 0 ? { etaSeconds: (total - done) / rate } : {}),
      detail: this.detail,
    })
  }
}
