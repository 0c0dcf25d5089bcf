/**
 * The model does one thing at a time, and what a person waits for goes first: questions before saved files before the backlog
 * before what nobody asked for. Who is less urgent is told to stop, gives way between two steps, and goes on afterwards where it was.
 */
import { cancelled } from '../errors'

const urgencies = { background: 0, read: 1, update: 2, question: 3 } as const

export type Urgency = keyof typeof urgencies

export interface Turn {
  /** Aborted when something more urgent waits; a new one after each `giveWay`. */
  readonly interrupted: AbortSignal
  /** Lets all that is more urgent go first. Returns at once when nothing is. */
  giveWay(): Promise<void>
}

/** For who runs alone. */
export const uninterrupted: Turn = { interrupted: new AbortController().signal, giveWay: () => Promise.resolve() }

interface Waiting {
  readonly urgency: Urgency
  readonly go: () => void
}

export class Turns {
  private running: { readonly urgency: Urgency; readonly interrupt: AbortController } | undefined
  private readonly waiting: Waiting[] = []

  /** Runs `work` when its turn comes; among the equally urgent, who came first goes first. Rejects with cancelled while it waits. */
  async take<T>(urgency: Urgency, signal: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T> {
    await this.enter(urgency, false, signal)
    const giveWay = async () => {
      if (!this.isOutranked(urgency)) return
      this.leave()
      await this.enter(urgency, true)
      if (signal.aborted) throw cancelled()
    }
    const interrupted = () => this.running?.interrupt.signal ?? uninterrupted.interrupted
    try {
      return await work({
        get interrupted() {
          return interrupted()
        },
        giveWay,
      })
    } finally {
      this.leave()
    }
  }

  /** Steps of work in the background: one that is interrupted is begun again. `signal` ends them for good. */
  between(signal: AbortSignal): <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T> {
    return async (work) => {
      for (;;) {
        let interrupted = uninterrupted.interrupted
        try {
          return await this.take('background', signal, (turn) => {
            interrupted = turn.interrupted
            return work(AbortSignal.any([signal, interrupted]))
          })
        } catch (thrown) {
          if (!interrupted.aborted || signal.aborted) throw thrown
        }
      }
    }
  }

  private isOutranked(urgency: Urgency): boolean {
    return this.waiting.some((other) => urgencies[other.urgency] > urgencies[urgency])
  }

  private async enter(urgency: Urgency, again: boolean, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw cancelled()
    const running = this.running
    if (running)
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          this.waiting.splice(this.waiting.indexOf(waiting), 1)
          reject(cancelled())
        }
        const go = () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        }
        const waiting = { urgency, go }
        signal?.addEventListener('abort', stop, { once: true })
        // Who gave way was here before the others of its kind.
        if (again) this.waiting.unshift(waiting)
        else this.waiting.push(waiting)
        if (urgencies[urgency] > urgencies[running.urgency]) running.interrupt.abort()
      })
    this.running = { urgency, interrupt: new AbortController() }
    if (this.isOutranked(urgency)) this.running.interrupt.abort()
  }

  private leave(): void {
    this.running = undefined
    let next: Waiting | undefined
    for (const other of this.waiting)
      if (next === undefined || urgencies[other.urgency] > urgencies[next.urgency]) next = other
    if (next === undefined) return
    this.waiting.splice(this.waiting.indexOf(next), 1)
    // Taken at once, so that nobody who comes before it starts gets in between.
    this.running = { urgency: next.urgency, interrupt: new AbortController() }
    next.go()
  }
}
