/** The stream of one repository in InfLLM's memory: kept on disk, read from the first change on, and questions answered after it. */
import { cancellable, type UsedUnits } from '../engine/addon'
import { LongreadError } from '../errors'
import { withRoom } from '../answer/conversation'
import { memoryPrompt } from '../answer/prompt'
import { Speech } from '../answer/speech'
import type { AnswerTools } from '../answer/answer'
import type {
  EarlierTurn,
  MemoryReading,
  MemoryTotals,
  Missing,
  SamplingOptions,
  SkippedFile,
  UnitReference,
} from '../protocol/types'
import type { LoadedModel } from '../recall/loaded'
import { ProgressMeter, type ProgressTools } from '../recall/progress'
import { hasCode } from '../store/folder'
import { forgetStreams, KeptStreams } from '../store/streams'
import { fileTexts, unitAt, type FileTexts } from './layout'
import type { StreamFile } from './lookup'
import { orderOf, usualParameters, type StreamParameters } from './parameters'
import { begin, changed, readOn, type Reading, type ReadingHow } from './stream-reading'

/**
 * Units that layers agree on. SmolLM2-135M, pass keys in 4K tokens, a window of 1,024: in six readings of three texts, each layer
 * choosing 4 or 8 units of 64 tokens for itself failed though all had the key among them; the best 4 of all layers together gave
 * it every time. Fewer failed: the key lay across two units.
 */
export const unitsAgreed = 4

/** Of what is missing. */
const mostNamed = 5

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
  private held: Reading | undefined
  /** Files as they were when they were last looked at. */
  private texts: FileTexts | undefined
  /** Of the last reading. */
  private rate: Pick<MemoryTotals, 'tokensRead' | 'tokensPerSecond'> | undefined

  constructor(
    private readonly loaded: Pick<LoadedModel, 'addon' | 'model' | 'fingerprint'>,
    private readonly options: MemoryStreamOptions,
  ) {}

  /**
   * Brings the memory to what is on disk now: what was read or kept of the same text is taken, up to the first change, and the rest is
   * read. Cancelled, it goes on from there the next time. `now`: at once from what was read, and where nothing was, a file is read before.
   */
  async read(tools: ProgressTools & { readonly now?: boolean }, log: (message: string) => void): Promise<void> {
    const { model } = this.loaded
    const { root, breadcrumbs, folder } = this.options
    const { before } = memoryPrompt(model, '')
    const order = orderOf(this.parameters(''))
    const texts = await fileTexts(model, root, { ...tools, breadcrumbs, order, log }, this.texts?.files)
    this.texts = texts
    this.rate = undefined
    if (tools.now === true && this.held && this.knows(texts)) return
    const how = this.how(before, log)
    const same = this.held && changed(how, this.held, texts.files)
    if (!same) this.close()
    const streams = same || folder === null ? undefined : await KeptStreams.open(folder, root, log)
    const held = (this.held = same ?? (await begin(how, texts.files, streams, tools)))
    const { tokens } = held.memory.info()
    if (tools.now === true && tokens > 0) return
    try {
      const read = await readOn(how, held, tools, tools.now === true ? 1 : undefined)
      if (read.tokens > 0) this.rate = { tokensRead: read.tokens, tokensPerSecond: read.tokens / read.seconds }
    } catch (thrown) {
      if (!hasCode(thrown, 'cancelled')) this.close()
      throw thrown
    }
  }

  private how(before: Int32Array, log: (message: string) => void): ReadingHow {
    const { loaded } = this
    const code = this.options.reading.units === 'code'
    return { loaded, before, code, parameters: (folder) => this.parameters(folder), log }
  }

  /** Files that were read, of those that it is to hold; the last one perhaps in part. */
  private filesRead(): readonly StreamFile[] {
    const { text, memory } = this.whole()
    const { tokens } = memory.info()
    const within = text.files.findIndex(({ to }) => to >= tokens)
    return within < 0 ? text.files : text.files.slice(0, within + 1)
  }

  /** Whether it has read something, and all of that may still be read. */
  private knows({ files }: FileTexts): boolean {
    const there = new Set(files.map(({ file }) => file))
    const read = this.filesRead()
    return this.whole().memory.info().tokens > 0 && read.length > 0 && read.every(({ file }) => there.has(file))
  }

  /** What is there and was not read as it is now. */
  missing(): Missing | undefined {
    const { text, memory } = this.whole()
    const { tokens } = memory.info()
    const read = new Set(text.files.filter(({ to }) => to <= tokens).map(({ digest, file }) => `${digest} ${file}`))
    const left = this.texts?.files.filter(({ digest, file }) => !read.has(`${digest} ${file}`)) ?? []
    if (left.length === 0) return undefined
    const first = left.slice(0, mostNamed).map(({ file }) => file)
    return { files: left.length, bytes: left.reduce((sum, { bytes }) => sum + bytes, 0), first }
  }

  /** What is not in it. */
  skipped(): readonly SkippedFile[] {
    return this.texts?.skipped ?? []
  }

  totals(): MemoryTotals {
    const { tokens, units, bytes, diskBytes } = this.whole().memory.info()
    return { files: this.filesRead().length, tokens, units, memoryBytes: bytes, diskBytes, ...this.rate }
  }

  /** `use`: units of code that all layers use, best first, as many as there is room for; undefined: the layers look up. */
  async answer(
    question: string,
    request: Pick<MemoryReading, 'choose' | 'lookUps' | 'twice'> & {
      readonly sampling: SamplingOptions
      /** What was said before, oldest first, as far as half the window has room. */
      readonly before?: readonly EarlierTurn[]
    },
    use: readonly UnitReference[] | undefined,
    { signal, progress, text }: AnswerTools,
  ): Promise<{ answer: string; used: UsedUnit[]; firstToken: number }> {
    const { addon, model } = this.loaded
    const { text: stream, memory } = this.whole()
    const { nLocal } = this.parameters('')
    const said = withRoom(model, request.before ?? [], Math.floor(nLocal / 2) - model.tokenize(question, false).length)
    const { after, oneLine } = memoryPrompt(model, question, said)
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
    const { units } = this.whole().text
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
    const { units } = this.whole().text
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
