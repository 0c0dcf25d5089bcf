/** The stream of one repository in InfLLM's memory: read whole when it is not what is held, and questions answered after it. */
import { mkdir } from 'node:fs/promises'
import * as path from 'node:path'
import { cancellable, type InfLlmParameters, type NativeInfLlm, type UsedUnits } from '../engine/addon'
import { LongreadError } from '../errors'
import { memoryPrompt } from '../answer/prompt'
import { Speech } from '../answer/speech'
import type { AnswerTools } from '../answer/answer'
import type { MemoryReading, MemoryTotals, SamplingOptions, UnitReference } from '../protocol/types'
import type { LoadedModel } from '../recall/memory'
import { ProgressMeter } from '../recall/progress'
import { layOutRepository, unitAt, type LaidOutRepository } from './layout'
import { usualParameters } from './parameters'

export interface MemoryStreamOptions {
  readonly root: string
  readonly breadcrumbs: boolean
  /** Of the memory on disk, or null: units stay in memory. */
  readonly folder: string | null
  readonly reading: Pick<MemoryReading, 'units' | 'parameters'>
}

/** A unit that layers used, and by what share of those that look up. */
export interface UsedUnit extends UnitReference {
  readonly share: number
}

export class MemoryStream {
  private held: { readonly stream: LaidOutRepository; readonly memory: NativeInfLlm } | undefined
  private tokensPerSecond: number | undefined

  constructor(
    private readonly loaded: Pick<LoadedModel, 'addon' | 'model'>,
    private readonly options: MemoryStreamOptions,
  ) {}

  /** Brings the memory to what is on disk now; what has changed anywhere is read anew from the beginning. */
  async read({ signal, progress }: Pick<AnswerTools, 'signal' | 'progress'>, log: (message: string) => void) {
    const { addon, model } = this.loaded
    const { root, breadcrumbs, reading } = this.options
    const { before } = memoryPrompt(model, '')
    const stream = await layOutRepository(model, root, { before, breadcrumbs, signal, progress, log })
    this.tokensPerSecond = undefined
    if (this.held?.stream.hash === stream.hash) return
    this.close()
    const memory = new addon.InfLlm(model, await this.parameters())
    const meter = new ProgressMeter('read', 'tokens', progress)
    const started = performance.now()
    const lengths = reading.units === 'code' ? stream.lengths : new Int32Array()
    const request = { tokens: stream.tokens, lengths, rows: new Int32Array(), trace: false }
    try {
      await cancellable(addon, signal, (cancel) =>
        memory.read(request, cancel, (read) => meter.report(read, stream.tokens.length)),
      )
    } catch (thrown) {
      memory.dispose()
      throw thrown
    }
    this.tokensPerSecond = stream.tokens.length / ((performance.now() - started) / 1000)
    this.held = { stream, memory }
  }

  totals(): MemoryTotals {
    const { stream, memory } = this.whole()
    const { units, bytes, diskBytes } = memory.info()
    const { files, tokens } = stream
    const rate = this.tokensPerSecond === undefined ? {} : { tokensPerSecond: this.tokensPerSecond }
    return { files, tokens: tokens.length, units, memoryBytes: bytes, diskBytes, ...rate }
  }

  /** `use`: units of code that all layers use, best first, as many as there is room for; undefined: the layers look up. */
  async answer(
    question: string,
    request: Pick<MemoryReading, 'lookUps' | 'twice'> & { readonly sampling: SamplingOptions },
    use: readonly UnitReference[] | undefined,
    { signal, progress, text }: AnswerTools,
  ): Promise<{ answer: string; used: UsedUnit[]; firstToken: number }> {
    const { addon, model } = this.loaded
    const { stream, memory } = this.whole()
    const { after, oneLine } = memoryPrompt(model, question)
    const starts = memory.unitStarts()
    const owners = unitAt(stream.units, starts)
    const units = use ? await this.chosen(use, owners, starts) : new Int32Array()
    const speech = new Speech(oneLine, text)
    const meter = new ProgressMeter('prefill', 'tokens', progress)
    const { sampling, lookUps, twice } = request
    let firstToken = 0
    let used: UsedUnits = []
    await cancellable(addon, AbortSignal.any([signal, speech.over]), async (cancel) => {
      const asked = { ...sampling, tokens: after, lookUps, twice, units }
      await memory.answer(asked, cancel, ({ read, units: found, token }) => {
        if (read !== undefined) meter.report(read, after.length)
        if (found) used = found
        if (!token) return
        if (firstToken === 0) firstToken = performance.now()
        speech.push(token.piece)
      })
    }).catch((thrown: unknown) => {
      if (!speech.over.aborted || signal.aborted) throw thrown
    })
    return { answer: speech.end(), used: this.usedUnits(used, owners), firstToken }
  }

  close(): void {
    this.held?.memory.dispose()
    this.held = undefined
  }

  private whole() {
    if (!this.held) throw new LongreadError('internal', 'The repository is not read.')
    return this.held
  }

  private async parameters(): Promise<InfLlmParameters> {
    const { folder, reading } = this.options
    const usual = usualParameters(this.loaded.model.info().trainedContext)
    let units = ''
    if (folder !== null) {
      units = path.join(folder, 'infllm')
      await mkdir(units, { recursive: true, mode: 0o700 })
    }
    const parameters = { ...usual, ...(reading.parameters as Partial<InfLlmParameters>), folder: units }
    // Who asks for more units has room for them.
    return { ...parameters, maxCachedBlock: Math.max(parameters.maxCachedBlock, parameters.topk) }
  }

  private async chosen(use: readonly UnitReference[], owners: Int32Array, starts: Int32Array): Promise<Int32Array> {
    const { topk, blockSize } = await this.parameters()
    const { units } = this.whole().stream
    const key = ({ file, startLine }: UnitReference) => `${String(startLine)} ${file}`
    const places = new Map(units.map((unit, i) => [key(unit), i]))
    let room = topk * blockSize
    const chosen: number[] = []
    for (const unit of use) {
      const place = places.get(key(unit))
      if (place === undefined) continue
      // Of a long unit as much as there is room for.
      for (let i = owners.indexOf(place); i >= 0 && owners[i] === place; i++) {
        const tokens = (starts[i + 1] ?? 0) - (starts[i] ?? 0)
        if (tokens > room) break
        room -= tokens
        chosen.push(i)
      }
    }
    return Int32Array.from(chosen).sort()
  }

  /** Most used first. */
  private usedUnits(used: UsedUnits, owners: Int32Array): UsedUnit[] {
    const { units } = this.whole().stream
    const looking = used.filter((lists) => lists.length > 0)
    const counts = new Map<number, number>()
    for (const lists of looking)
      for (const unit of new Set(lists.flatMap((list) => [...list].map((i) => owners[i] ?? -1))))
        if (unit >= 0) counts.set(unit, (counts.get(unit) ?? 0) + 1)
    return [...counts]
      .sort(([a, left], [b, right]) => right - left || a - b)
      .flatMap(([i, count]) => {
        const unit = units[i]
        if (!unit) return []
        const { file, startLine, endLine, kind, symbol } = unit
        return [{ file, startLine, endLine, kind, symbol, share: count / looking.length }]
      })
  }
}
