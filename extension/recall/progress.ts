/** Turns counts into progress with a rate and a time to go; at most ten reports a second. */
import type { Phase, Progress } from '../protocol/types'

const reportMs = 100

/** What a call that may take long is given. */
export interface ProgressTools {
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
}

export class ProgressMeter {
  private started = performance.now()
  private last = -Infinity

  constructor(
    private readonly phase: Phase,
    private readonly unit: Progress['unit'],
    private readonly send: (progress: Progress) => void,
  ) {}

  /** `total` is 0 while it is not known. */
  report(done: number, total: number, detail?: string): void {
    const now = performance.now()
    if (now - this.last < reportMs) return
    this.last = now
    this.emit(done, total, now, detail)
  }

  /** Time that went into something else: it counts neither for the rate nor for the time to go. */
  skip(milliseconds: number): void {
    this.started += milliseconds
  }

  finish(total: number): void {
    this.emit(total, total, performance.now())
  }

  private emit(done: number, total: number, now: number, detail?: string): void {
    const seconds = (now - this.started) / 1000
    const rate = seconds > 0 ? done / seconds : 0
    const etaSeconds = rate > 0 && total > 0 ? Math.max(0, total - done) / rate : undefined
    this.send({
      phase: this.phase,
      done,
      total,
      unit: this.unit,
      rate,
      ...(etaSeconds === undefined ? {} : { etaSeconds }),
      ...(detail === undefined ? {} : { detail }),
    })
  }
}
