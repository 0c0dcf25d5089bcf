/** Questions to a repository that is wholly in InfLLM's memory. One stream is held at a time: it takes much memory. */
import { realpath } from 'node:fs/promises'
import { meantBy } from '../answer/conversation'
import { sentences } from '../answer/sentences'
import { LongreadError, noFolder } from '../errors'
import type {
  AskRequest,
  AskResult,
  MemoryReading,
  MemoryStreamResult,
  RecalledUnit,
  RecallResult,
  SentenceCitation,
  StreamRequest,
} from '../protocol/types'
import type { LoadedModel } from '../recall/loaded'
import type { Memory } from '../recall/memory'
import { recall } from '../recall/recall'
import { hasCode } from '../store/folder'
import type { CallTools } from '../engine/handlers-type'
import { MemoryStream, type MemoryStreamOptions, type UsedUnit } from './memory-stream'

/** What the engine gives: the model, also on the processor, and the memory that recall asks, read first where it has changed. */
export interface Loading {
  load(request: StreamRequest, tools: CallTools): Promise<LoadedModel>
  onProcessor(request: StreamRequest, tools: CallTools): Promise<LoadedModel>
  ready(request: StreamRequest, questions: readonly string[], tools: CallTools): Promise<Memory>
}

/** Units that are told of an answer, most used first. */
const unitsTold = 12

/** And cited. */
const unitsCited = 3

/** Units that recall gives for all layers; as many of them are used as there is room for. */
const unitsRecalled = 64

export class MemoryStreams {
  private held: { readonly key: string; readonly stream: MemoryStream } | undefined
  /** Streams that the GPU cannot read. */
  private readonly unfit = new Set<string>()

  async ask(
    request: AskRequest,
    reading: MemoryReading,
    engine: Loading,
    tools: CallTools,
  ): Promise<Omit<AskResult, 'from'>> {
    const started = performance.now()
    const { question, before = [] } = request
    const byRecall = reading.choose === 'recall'
    // Before the stream: a model without a profile may get one first, and is loaded anew with it.
    const memory = byRecall ? await engine.ready(request, [question], tools) : undefined
    const loaded = memory?.loaded ?? (await engine.load(request, tools))
    const log = (message: string) => tools.log('warn', message)
    const meant = meantBy(question, before)
    const asked = { ...reading, before, sampling: request.sampling }
    let found: RecallResult | undefined
    const told = await this.withStream(loaded, request, reading, engine, tools, async (stream, tools) => {
      const reader = request.now === true ? { ...tools, now: true } : tools
      await stream.read(reader, log)
      const read = performance.now()
      found ??= memory && (await recall(memory, meant, { ...request, top: unitsRecalled }, tools))
      const recalled = performance.now()
      const answering = () => stream.answer(question, asked, found?.units, tools)
      const answered = await answering().catch(async (thrown: unknown) => {
        // Units are checked when they are looked up.
        if (!hasCode(thrown, 'bad-segment')) throw thrown
        log('What was kept of this folder is damaged; it is read again.')
        await stream.forget()
        await stream.read(reader, log)
        return answering()
      })
      return { ...answered, read, recalled, totals: stream.totals(), missing: stream.missing() }
    })
    const { answer, used, firstToken, read, recalled, totals, missing } = told
    const scores = new Map(found?.units.map((unit) => [keyOf(unit), unit]))
    const units = used.slice(0, unitsTold).map(({ share, ...unit }): RecalledUnit => {
      const known = scores.get(keyOf(unit))
      return known ?? { ...unit, score: share, signals: {}, foundBy: [] }
    })
    const began = firstToken === 0 ? performance.now() : firstToken
    return {
      answer,
      ...(meant === question ? {} : { meant }),
      citations: byRecall ? [] : citedFrom(answer, used),
      reading: units,
      recalled: found?.units ?? units,
      found: true,
      memory: totals,
      ...(missing ? { missing } : {}),
      timings: {
        stream: read - started,
        recall: recalled - read,
        firstToken: began - recalled,
        answer: performance.now() - began,
        total: performance.now() - started,
      },
    }
  }

  /** Reads a workspace, for questions to come. */
  async read(
    request: StreamRequest,
    reading: MemoryReading,
    engine: Pick<Loading, 'load' | 'onProcessor'>,
    tools: CallTools,
  ): Promise<MemoryStreamResult> {
    const started = performance.now()
    const loaded = await engine.load(request, tools)
    return this.withStream(loaded, request, reading, engine, tools, async (stream, tools) => {
      await stream.read(tools, (message) => tools.log('warn', message))
      return { ...stream.totals(), skipped: stream.skipped(), seconds: (performance.now() - started) / 1000 }
    })
  }

  close(): void {
    this.letGo()
    this.unfit.clear()
  }

  /** Works with the stream of a repository; where a GPU cannot read it and any device will do, with the processor's, and says so. */
  private async withStream<T>(
    loaded: LoadedModel,
    request: StreamRequest,
    { units, parameters }: MemoryReading,
    engine: Pick<Loading, 'onProcessor'>,
    tools: CallTools,
    work: (stream: MemoryStream, tools: CallTools) => Promise<T>,
  ): Promise<T> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    const { breadcrumbs, memory: folder } = request
    const options = { root, breadcrumbs, folder, reading: { units, parameters } }
    const key = JSON.stringify([loaded.fingerprint, options])
    if (!this.unfit.has(key)) {
      let said = false as boolean
      const text = (piece: string) => {
        said = true
        tools.text(piece)
      }
      try {
        return await work(this.streamOf(key, loaded, options), { ...tools, text })
      } catch (thrown) {
        if (request.device !== 'auto' || !(thrown instanceof LongreadError) || thrown.code !== 'gpu-unfit') throw thrown
        this.letGo()
        this.unfit.add(key)
        if (said) throw thrown // the next question has the processor
        tools.log('warn', `${thrown.what} The processor reads this folder as one text instead.`)
      }
    }
    return work(this.streamOf(`${key} beside`, await engine.onProcessor(request, tools), options), tools)
  }

  private streamOf(key: string, loaded: LoadedModel, options: MemoryStreamOptions): MemoryStream {
    if (this.held?.key === key) return this.held.stream
    this.letGo()
    const stream = new MemoryStream(loaded, options)
    this.held = { key, stream }
    return stream
  }

  private letGo(): void {
    this.held?.stream.close()
    this.held = undefined
  }
}

/**
 * Units that most layers looked up when they read the question, for the answer as a whole: which sentence comes from which the layers
 * do not say. Nothing where they hardly agree.
 */
export function citedFrom(answer: string, used: readonly UsedUnit[]): SentenceCitation[] {
  const last = sentences(answer).length - 1
  if (last < 0) return []
  return used
    .filter(({ share }) => share > 0.5)
    .slice(0, unitsCited)
    .map(({ file, startLine, endLine, share }) => ({ sentence: last, weight: share, file, startLine, endLine }))
}

const keyOf = ({ file, startLine }: Pick<RecalledUnit, 'file' | 'startLine'>): string => `${String(startLine)} ${file}`
