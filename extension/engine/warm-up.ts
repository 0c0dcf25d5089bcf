/**
 * A GPU's first use of ggml's kernels (native/engine/warm-up.h): begun when a model is loaded there, beside all calls. Who needs them
 * before they are ready waits, and says so; who does not, does not.
 */
import { cancelled } from '../errors'
import type { Head, NativeAddon, NativeModel } from './addon'
import type { CallTools } from './handlers-type'

/** For all layers kernels are the same. */
const watchHeads: readonly Head[] = [{ layer: 0, head: 0 }]

/** Milliseconds between two words about it, and before the first. */
const every = 500

export class WarmUp {
  /** Reading files, and answering, need no waiting any more; whether it went well or not: what fails is told by the call that meets it. */
  readonly #ready: { readonly read: Promise<void>; readonly answer: Promise<void> }
  readonly #done = new Set<'read' | 'answer'>()
  readonly #started = performance.now()
  readonly #cancel: { cancel(): void }

  constructor({ Cancel }: Pick<NativeAddon, 'Cancel'>, model: Pick<NativeModel, 'warmUp'>) {
    const cancel = new Cancel()
    this.#cancel = cancel
    let reads: () => void = () => undefined
    const read = new Promise<void>((resolve) => (reads = resolve))
    const answer = model
      .warmUp(watchHeads, cancel, (ready) => {
        if (ready) reads()
      })
      .catch(() => undefined)
    void read.then(() => this.#done.add('read'))
    void answer.then(() => {
      this.#done.add('answer')
      reads()
    })
    this.#ready = { read, answer }
  }

  /** Returns when files can be read, or questions answered, at the GPU's own pace. Rejects with cancelled. */
  async wait(what: 'read' | 'answer', { signal, progress }: Pick<CallTools, 'signal' | 'progress'>): Promise<void> {
    if (this.#done.has(what)) return
    if (signal.aborted) throw cancelled()
    const tell = () => {
      const done = Math.round((performance.now() - this.#started) / 1000)
      progress({ phase: 'prepare', done, total: 0, unit: 'seconds', rate: 0 })
    }
    const telling = setInterval(tell, every)
    let stop: () => void = () => undefined
    try {
      const stopped = new Promise<never>((_, reject) => (stop = () => reject(cancelled())))
      signal.addEventListener('abort', stop, { once: true })
      await Promise.race([this.#ready[what], stopped])
    } finally {
      clearInterval(telling)
      signal.removeEventListener('abort', stop)
    }
  }

  /** The step that runs is ended first. */
  end(): void {
    this.#cancel.cancel()
  }
}
