/**
 * What the first question of a process would else wait for, done once when the engine has nothing to do: words placed, all keys checked
 * and brought to where questions are scored, the model's kernels made. A question that comes meanwhile goes first and finds done what is.
 */
import type { Memory } from '../recall/memory'
import { recall } from '../recall/recall'
import { cancellable } from './addon'
import type { CallTools } from './handlers-type'
import type { Turns } from './turns'

/** A command that only reads has ended by then (ms). */
const afterReading = 100

const question = 'Where are settings read?'

export class Warming {
  private readonly begun = new WeakSet<Memory>()
  private readonly ended = new AbortController()

  /** `ready` returns when the kernels that this needs are there. */
  constructor(
    private readonly turns: Turns,
    private readonly ready: (tools: Pick<CallTools, 'signal' | 'progress'>) => Promise<void> = () => Promise.resolve(),
  ) {}

  /** To be told when a memory was read. */
  soon(memory: Memory): void {
    if (this.begun.has(memory)) return
    this.begun.add(memory)
    // What fails here is told by the question that meets it.
    setTimeout(() => void this.warm(memory).catch(() => undefined), afterReading).unref()
  }

  end(): void {
    this.ended.abort()
  }

  private async warm(memory: Memory): Promise<void> {
    const step = this.turns.between(this.ended.signal)
    const { addon, model } = memory.loaded
    while (await step(() => memory.kin.placeSome(memory.lexical)));
    // A processor would take seconds to read units again, and has nothing to prepare for it.
    const gpu = model.info().device.kind === 'cuda'
    await this.ready({ signal: this.ended.signal, progress: () => undefined })
    const options = { top: 1, signals: 'all', rerank: gpu, rarity: true } as const
    await step((signal) => recall(memory, question, options, { signal, progress: () => undefined }))
    if (!gpu) return
    const tokens = model.tokenize(`${question}\n`.repeat(40), false)
    const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: 2 }
    const watch = { watch: new Uint32Array(), watchHeads: [] }
    await step((signal) =>
      cancellable(addon, signal, (cancel) =>
        model.generate({ tokens, ...sampling, ...watch }, cancel, () => undefined),
      ),
    )
  }
}
