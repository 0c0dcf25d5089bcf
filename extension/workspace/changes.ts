/**
 * Collects names of changed files until it has been quiet for a moment, so that a save, a formatter and a branch switch become one
 * change each; and no longer than a bound, so that a build that never rests does not keep everything waiting.
 */
export interface ChangesOptions {
  readonly quietMs?: number
  readonly mostMs?: number
  readonly clock?: Clock
}

export interface Clock {
  now(): number
  /** Calls once after so many milliseconds; gives what takes it back. */
  after(ms: number, call: () => void): () => void
}

const realClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    return () => clearTimeout(timer)
  },
}

export class Changes {
  /** In the order in which they last changed. */
  private readonly files = new Set<string>()
  private since = 0
  private cancel: (() => void) | undefined
  private readonly quietMs: number
  private readonly mostMs: number
  private readonly clock: Clock

  constructor(
    private readonly onQuiet: (files: string[]) => void,
    { quietMs = 150, mostMs = 1000, clock = realClock }: ChangesOptions = {},
  ) {
    this.quietMs = quietMs
    this.mostMs = mostMs
    this.clock = clock
  }

  add(files: readonly string[]): void {
    if (files.length === 0) return
    const now = this.clock.now()
    if (this.files.size === 0) this.since = now
    for (const file of files) {
      this.files.delete(file)
      this.files.add(file)
    }
    this.cancel?.()
    const wait = Math.max(0, Math.min(this.quietMs, this.since + this.mostMs - now))
    this.cancel = this.clock.after(wait, () => this.flush())
  }

  /** Whether there are names that were not told yet. */
  get waiting(): boolean {
    return this.files.size > 0
  }

  close(): void {
    this.cancel?.()
    this.files.clear()
  }

  private flush(): void {
    const files = [...this.files]
    this.files.clear()
    this.onQuiet(files)
  }
}
