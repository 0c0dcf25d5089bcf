/** Questions to a repository that is wholly in InfLLM's memory. One stream is held at a time: it takes much memory. */
import { realpath } from 'node:fs/promises'
import { meantBy } from '../answer/conversation'
import { noFolder } from '../errors'
import type {
  AskRequest,
  AskResult,
  MemoryReading,
  MemoryStreamResult,
  RecalledUnit,
  StreamRequest,
} from '../protocol/types'
import type { LoadedModel } from '../recall/loaded'
import type { Memory } from '../recall/memory'
import { recall } from '../recall/recall'
import { hasCode } from '../store/folder'
import type { CallTools } from '../engine/handlers-type'
import { MemoryStream } from './memory-stream'

/** What the engine gives: the model, and the memory that recall asks, read first where it has changed. */
export interface Loading {
  load(request: StreamRequest, tools: CallTools): Promise<LoadedModel>
  ready(request: StreamRequest, questions: readonly string[], tools: CallTools): Promise<Memory>
}

/** Units that are told of an answer, most used first. */
const unitsTold = 12

/** Units that recall gives for all layers; as many of them are used as there is room for. */
const unitsRecalled = 64

export class MemoryStreams {
  private held: { readonly key: string; readonly stream: MemoryStream } | undefined

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
    const stream = await this.streamOf(loaded, request, reading)
    await stream.read(tools, log)
    const read = performance.now()
    const meant = meantBy(question, before)
    const found = memory && (await recall(memory, meant, { ...request, top: unitsRecalled }, tools))
    const recalled = performance.now()
    const asked = { ...reading, sampling: request.sampling }
    const answering = () => stream.answer(question, asked, found?.units, tools)
    const { answer, used, firstToken } = await answering().catch(async (thrown: unknown) => {
      // Units are checked when they are looked up.
      if (!hasCode(thrown, 'bad-segment')) throw thrown
      log('What was kept of this folder is damaged; it is read again.')
      await stream.forget()
      await stream.read(tools, log)
      return answering()
    })
    const scores = new Map(found?.units.map((unit) => [keyOf(unit), unit]))
    const units = used.slice(0, unitsTold).map(({ share, ...unit }): RecalledUnit => {
      const known = scores.get(keyOf(unit))
      return known ?? { ...unit, score: share, signals: {}, foundBy: [] }
    })
    const began = firstToken === 0 ? performance.now() : firstToken
    return {
      answer,
      citations: [],
      reading: units,
      recalled: found?.units ?? units,
      found: true,
      memory: stream.totals(),
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
    engine: Pick<Loading, 'load'>,
    tools: CallTools,
  ): Promise<MemoryStreamResult> {
    const started = performance.now()
    const stream = await this.streamOf(await engine.load(request, tools), request, reading)
    await stream.read(tools, (message) => tools.log('warn', message))
    return { ...stream.totals(), skipped: stream.skipped(), seconds: (performance.now() - started) / 1000 }
  }

  close(): void {
    this.held?.stream.close()
    this.held = undefined
  }

  private async streamOf(
    loaded: LoadedModel,
    request: StreamRequest,
    { units, parameters }: MemoryReading,
  ): Promise<MemoryStream> {
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    const { breadcrumbs, memory: folder } = request
    const options = { root, breadcrumbs, folder, reading: { units, parameters } }
    const key = JSON.stringify([loaded.fingerprint, options])
    if (this.held?.key === key) return this.held.stream
    this.close()
    const stream = new MemoryStream(loaded, options)
    this.held = { key, stream }
    return stream
  }
}

const keyOf = ({ file, startLine }: Pick<RecalledUnit, 'file' | 'startLine'>): string => `${String(startLine)} ${file}`
