/** Where the time of a question goes: how long each stage took, one after the other. */
import type { StageTimes } from '../protocol/types'

export class Stages {
  private readonly taken: Record<string, number> = {}
  private since = performance.now()

  /** What was done since the stage before was this one. */
  end(stage: keyof StageTimes): void {
    const now = performance.now()
    this.taken[stage] = (this.taken[stage] ?? 0) + now - this.since
    this.since = now
  }

  times(): StageTimes {
    return { ...this.taken }
  }
}

/** `words 2.1, hear 9.0, … ms`. */
export const describeStages = (times: StageTimes): string =>
  `${Object.entries(times)
    .map(([stage, ms]) => `${stage} ${Number(ms).toFixed(1)}`)
    .join(', ')} ms`
