/**
 * Files cut into units, with their words counted, by threads of their own: where a GPU reads, cutting takes one thread longer than the
 * GPU needs for what it gives. Whatever a thread cannot do is done here.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Unit } from '../protocol/types'
import { cutUnits } from '../workspace/units'
import { unitTexts } from './episode'
import { countWords, type FileWords } from './file-words'

export interface Cut {
  readonly units: readonly Unit[]
  /** Of the units' texts. */
  readonly words: FileWords
}

export interface CutRequest {
  readonly number: number
  readonly file: string
  readonly text: string
}

/** Without units it could not be done. */
export interface CutAnswer extends Partial<Cut> {
  readonly number: number
  readonly warnings?: readonly string[]
}

/** How a file is cut; `warn` hears when it is cut as text. */
export type Cutting = (file: string, text: string, warn: (message: string) => void) => Promise<Cut>

export const cutHere: Cutting = async (file, text, warn) => {
  const units = await cutUnits(file, text, { warn })
  return { units, words: countWords(unitTexts(text, units)) }
}

/** More of them wait for the thread that reads files and holds what was read. */
const mostThreads = 4

/** One core is left to what asks. */
export const usualThreads = (): number => Math.max(1, Math.min(mostThreads, availableParallelism() - 1))

export class CuttingThreads {
  private readonly threads: Worker[]
  private readonly asked = new Map<number, { readonly thread: number; settle: (answer: CutAnswer) => void }>()
  /** By thread: what it was asked and has not answered; infinite for one that has ended. */
  private readonly load: number[]
  private count = 0

  constructor(threads = usualThreads(), module = join(__dirname, 'cutting-thread.js')) {
    this.load = new Array<number>(threads).fill(0)
    this.threads = this.load.map((_, number) => {
      const thread = new Worker(module)
      // Whoever forgets to close them may still end.
      thread.unref()
      thread.on('message', (answer: CutAnswer) => this.answered(answer))
      thread.on('error', () => this.ended(number))
      thread.on('exit', () => this.ended(number))
      return thread
    })
  }

  readonly cut: Cutting = async (file, text, warn) => {
    const { units, words, warnings = [] } = await this.ask(file, text)
    if (units === undefined || words === undefined) return cutHere(file, text, warn)
    warnings.forEach(warn)
    return { units, words }
  }

  /** Returns when they have ended; what they were asked is done here. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()))
  }

  private ask(file: string, text: string): Promise<CutAnswer> {
    const number = this.count++
    const thread = this.load.indexOf(Math.min(...this.load))
    if (this.load[thread] === Infinity) return Promise.resolve({ number })
    return new Promise((settle) => {
      this.load[thread] = (this.load[thread] ?? 0) + 1
      this.asked.set(number, { thread, settle })
      const request: CutRequest = { number, file, text }
      this.threads[thread]?.postMessage(request)
    })
  }

  private answered(answer: CutAnswer): void {
    const one = this.asked.get(answer.number)
    if (one === undefined) return
    this.asked.delete(answer.number)
    this.load[one.thread] = (this.load[one.thread] ?? 1) - 1
    one.settle(answer)
  }

  private ended(thread: number): void {
    this.load[thread] = Infinity
    for (const [number, one] of this.asked) if (one.thread === thread) this.answered({ number })
    this.load[thread] = Infinity
  }
}
