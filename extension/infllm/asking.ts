/** Questions to a repository that is wholly in InfLLM's memory. One stream is held at a time: it takes much memory. */
import { realpath } from 'node:fs/promises'
import { meantBy } from '../answer/conversation'
import { noFolder } from '../errors'
import type { AskRequest, AskResult, MemoryReading, RecalledUnit } from '../protocol/types'
import type { LoadedModel, Memory } from '../recall/memory'
import { recall } from '../recall/recall'
import type { CallTools } from '../engine/handlers-type'
import { MemoryStream } from './memory-stream'

/** What the engine gives: the model, and the memory that recall asks, read first where it has changed. */
export interface Loading {
  load(request: AskRequest, tools: CallTools): Promise<LoadedModel>
  ready(request: AskRequest, questions: readonly string[], tools: CallTools): Promise<Memory>
}

/** Units that are told of an answer, most used first. */
const unitsTold = 12

/** Units that recall gives for all layers; as many of them are used as there is room for. */
const unitsRecalled = 64

export class MemoryStreams {
  private held: { readonly key: string; readonly stream: MemoryStream } | undefined

  async ask(request: AskRequest, reading: MemoryReading, engine: Loading, tools: CallTools): Promise<AskResult> {
    const started = performance.now()
    const { question, before = [], breadcrumbs } = request
    const root = await realpath(request.root).catch(() => {
      throw noFolder(request.root)
    })
    const byRecall = reading.choose === 'recall'
    // Before the stream: a model without a profile may get one first, and is loaded anew with it.
    const memory = byRecall ? await engine.ready(request, [question], tools) : undefined
    const loaded = memory?.loaded ?? (await engine.load(request, tools))
    const stream = this.streamOf(loaded, { root, breadcrumbs, folder: request.memory, reading })
    await stream.read(tools, (message) => tools.log('warn', message))
    const read = performance.now()
    const meant = meantBy(question, before)
    const found = memory && (await recall(memory, meant, { ...request, top: unitsRecalled }, tools))
    const recalled = performance.now()
    const asked = { ...reading, sampling: request.sampling }
    const { answer, used, firstToken } = await stream.answer(question, asked, found?.units, tools)
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

  close(): void {
    this.held?.stream.close()
    this.held = undefined
  }

  private streamOf(loaded: LoadedModel, options: ConstructorParameters<typeof MemoryStream>[1]): MemoryStream {
    const key = JSON.stringify([loaded.fingerprint, options])
    if (this.held?.key === key) return this.held.stream
    this.close()
    const stream = new MemoryStream(loaded, options)
    this.held = { key, stream }
    return stream
  }
}

const keyOf = ({ file, startLine }: Pick<RecalledUnit, 'file' | 'startLine'>): string => `${String(startLine)} ${file}`
