/**
 * Who uses the model when: calls take turns, one at a time; work in the background goes step by step between them, and a step
 * that is under way when a call comes is stopped and begun again afterwards, so that nobody waits for it.
 */
import type { Step } from '../recall/calibration/features'

export class Turns {
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0
  private step: AbortController | undefined

  /** Runs a call when those before it have ended. */
  take<T>(work: () => Promise<T>): Promise<T> {
    this.waiting++
    this.step?.abort()
    return this.append(work).finally(() => this.waiting--)
  }

  /** Steps of a piece of work in the background; `signal` ends it for good. */
  between(signal: AbortSignal): Step {
    return async (work) => {
      for (;;) {
        const stopped = new AbortController()
        try {
          return await this.append(() => {
            signal.throwIfAborted()
            // Whoever waits already goes first.
            if (this.waiting > 0) stopped.abort()
            stopped.signal.throwIfAborted()
            this.step = stopped
            return work(AbortSignal.any([signal, stopped.signal]))
          })
        } catch (thrown) {
          if (!stopped.signal.aborted || signal.aborted) throw thrown
        } finally {
          if (this.step === stopped) this.step = undefined
        }
      }
    }
  }

  private append<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work)
    this.last = next.catch(() => undefined)
    return next
  }
}
