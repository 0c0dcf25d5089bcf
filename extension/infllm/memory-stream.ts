/** The stream of one repository in InfLLM's memory: kept on disk, read whole when it has changed, and questions answered after it. */
import { cancellable, type NativeInfLlm, type UsedUnits } from '../engine/addon'
import { LongreadError } from '../errors'
import { memoryPrompt } from '../answer/prompt'
import { Speech } from '../answer/speech'
import type { AnswerTools } from '../answer/answer'
import type { MemoryReading, MemoryTotals, SamplingOptions, SkippedFile, UnitReference } from '../protocol/types'
import type { LoadedModel } from '../recall/loaded'
import { ProgressMeter } from '../recall/progress'
import { hasCode } from '../store/folder'
import { forgetStreams, KeptStreams } from '../store/streams'
import { layOutRepository, unitAt, type LaidOutRepository } from './layout'
import { partsOf } from './lookup'
import { usualParameters, type StreamParameters } from './parameters'

/**
 * Units that layers agree on. SmolLM2-135M, pass keys in 4K tokens, a window of 1,024: in six readings of three texts, each layer
 * choosing 4 or 8 units of 64 tokens for itself failed though all had the key among them; the best 4 of all layers together gave
 * it every time. Fewer failed: the key lay across two units.
 */
export const unitsAgreed = 4

/**
 * A GPU that makes more units than this in a second has read a text again as soon as a disk brings it back: of SmolLM2-135M an H100
 * makes 1.8 GB (80,000 tokens of 23 KB), of a model of 7 billion weights about a quarter of that.
 */
const diskBytesPerSecond = 1e9

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
    private readonly loaded: Pick<LoadedModel, 'addon' | 'model' | 'fingerprint'>,
    private readonly options: MemoryStreamOptions,
  ) {}

  /** Brings the memory to what is on disk now: what was kept of the same text, or all of it read anew from the beginning. */
  async read({ signal, progress }: Pick<AnswerTools, 'signal' | 'progress'>, log: (message: string) => void) {
    const { model } = this.loaded
    const { root, breadcrumbs, folder } = this.options
    const { before } = memoryPrompt(model, '')
    const { lookup, order: asked } = this.parameters('')
    const order = lookup === 'imports' ? 'imports' : asked
    const stream = await layOutRepository(model, root, { before, breadcrumbs, order, signal, progress, log })
    this.tokensPerSecond = undefined
    if (this.held?.stream.hash === stream.hash) return
    this.close()
    const kept = folder === null ? undefined : await KeptStreams.open(folder, root, log)
    const parameters = this.parameters(kept?.folder ?? '')
    const make = () => new this.loaded.addon.InfLlm(model, parameters)
    let memory = make()
    const { gpu } = memory.info()
    // What a GPU and a processor keep, neither reads of the other. Where a GPU's keys lie decides nothing.
    const deciding = { ...parameters, maxReprMegabytes: undefined }
    const decides = [this.loaded.fingerprint, this.options.reading.units, deciding, stream.hash]
    const name = kept?.nameOf(gpu ? [...decides, 'gpu'] : decides)
    if (name !== undefined) {
      if (await this.restored(memory, name, log)) {
        this.held = { stream, memory }
        return
      }
      memory = make()
    }
    try {
      const started = performance.now()
      await this.readAll(memory, stream, signal, progress)
      const rate = memory.info().unitBytes / ((performance.now() - started) / 1000)
      const { fingerprint } = this.loaded
      if (name !== undefined && (!gpu || rate < diskBytesPerSecond))
        await kept?.keep(name, () => memory.save(name, fingerprint))
    } catch (thrown) {
      memory.dispose()
      throw thrown
    }
    this.held = { stream, memory }
  }

  private async readAll(
    memory: NativeInfLlm,
    stream: LaidOutRepository,
    signal: AbortSignal,
    progress: AnswerTools['progress'],
  ): Promise<void> {
    const meter = new ProgressMeter('read', 'tokens', progress)
    const started = performance.now()
    const lengths = this.options.reading.units === 'code' ? stream.lengths : new Int32Array()
    let before = 0
    for (const part of partsOf({ ...stream, lengths }, this.parameters('').lookup)) {
      await cancellable(this.loaded.addon, signal, (cancel) =>
        memory.read({ ...part, rows: new Int32Array(), trace: false }, cancel, (read) =>
          meter.report(before + read, stream.tokens.length),
        ),
      )
      before += part.tokens.length
    }
    this.tokensPerSecond = stream.tokens.length / ((performance.now() - started) / 1000)
  }

  /** Whether the memory has taken what was kept under this name; otherwise it is disposed of. */
  private async restored(memory: NativeInfLlm, name: string, log: (message: string) => void): Promise<boolean> {
    try {
      await memory.restore(name, this.loaded.fingerprint)
      return true
    } catch (thrown) {
      memory.dispose()
      if (!hasCode(thrown, 'no-segment', 'bad-segment', 'disk')) throw thrown
      if (!hasCode(thrown, 'no-segment')) log('What was kept of this folder is damaged; it is read again.')
      return false
    }
  }

  /** What is not in it. */
  skipped(): readonly SkippedFile[] {
    return this.whole().stream.skipped
  }

  totals(): MemoryTotals {
    const { stream, memory } = this.whole()
    const { units, bytes, diskBytes } = memory.info()
    const { files, tokens } = stream
    const rate = this.tokensPerSecond === undefined ? {} : { tokensPerSecond: this.tokensPerSecond }
    return { files: files.length, tokens: tokens.length, units, memoryBytes: bytes, diskBytes, ...rate }
  }

  /** `use`: units of code that all layers use, best first, as many as there is room for; undefined: the layers look up. */
  async answer(
    question: string,
    request: Pick<MemoryReading, 'choose' | 'lookUps' | 'twice'> & { readonly sampling: SamplingOptions },
    use: readonly UnitReference[] | undefined,
    { signal, progress, text }: AnswerTools,
  ): Promise<{ answer: string; used: UsedUnit[]; firstToken: number }> {
    const { addon, model } = this.loaded
    const { stream, memory } = this.whole()
    const { after, oneLine } = memoryPrompt(model, question)
    const starts = memory.unitStarts()
    const owners = unitAt(stream.units, starts)
    const units = use ? this.chosen(use, owners, starts) : new Int32Array()
    const speech = new Speech(oneLine, text)
    const meter = new ProgressMeter('prefill', 'tokens', progress)
    const { sampling, choose, lookUps, twice } = request
    const agree = choose === 'agree' ? unitsAgreed : 0
    let firstToken = 0
    let used: UsedUnits = []
    await cancellable(addon, AbortSignal.any([signal, speech.over]), async (cancel) => {
      const asked = { ...sampling, tokens: after, lookUps, twice, agree, units }
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

  /** What is kept of it, too. */
  async forget(): Promise<void> {
    this.close()
    const { folder, root } = this.options
    if (folder !== null) await forgetStreams(folder, root)
  }

  close(): void {
    this.held?.memory.dispose()
    this.held = undefined
  }

  private whole() {
    if (!this.held) throw new LongreadError('internal', 'The repository is not read.')
    return this.held
  }

  private parameters(folder: string): StreamParameters {
    const usual = usualParameters(this.loaded.model.info())
    const parameters = { ...usual, ...(this.options.reading.parameters as Partial<StreamParameters>), folder }
    // Who asks for more units has room for them.
    return { ...parameters, maxCachedBlock: Math.max(parameters.maxCachedBlock, parameters.topk) }
  }

  private chosen(use: readonly UnitReference[], owners: Int32Array, starts: Int32Array): Int32Array {
    const { topk, blockSize } = this.parameters('')
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
