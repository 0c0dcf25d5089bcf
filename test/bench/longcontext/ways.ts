/** Ways of reading that are held against each other: full attention, a window without lookup, InfLLM as in the paper and otherwise. */
import type { NativeAddon, NativeInfLlm, NativeModel, UsedUnits } from '../../../extension/engine/addon'
import { partsOf } from '../../../extension/infllm/lookup'
import { unitsAgreed } from '../../../extension/infllm/memory-stream'
import { paper, type StreamParameters } from '../../../extension/infllm/parameters'
import type { Signals } from '../../../extension/protocol/types'
import type { Profile } from '../../../extension/recall/profile'
import { inOrderOfImports } from './in-order'
import { recalled, unitsOf } from './recalled'
import type { Case } from './tasks'

export interface Way {
  readonly name: string
  readonly parameters?: Partial<StreamParameters>
  readonly lookUps?: 'each' | 'once'
  readonly twice?: boolean
  readonly agree?: number
  /** Units of code, where the text has them; otherwise blocks. */
  readonly units?: 'code'
  /** The product's recall chooses units for all layers (recalled.ts), by all its signals or by its heads alone. */
  readonly recall?: Signals
}

export const ways: readonly Way[] = [
  { name: 'full' },
  // StreamingLLM (arXiv 2309.17453): sinks right before the window, nothing looked up.
  { name: 'streaming', parameters: { topk: 0, maxCachedBlock: 0, places: 'ordered' } },
  // The same with all sinks at the distance of InfLLM's units, which is how our own kernels read.
  { name: 'window', parameters: { topk: 0, maxCachedBlock: 0 } },
  { name: 'paper', parameters: {} },
  { name: 'ordered', parameters: { places: 'ordered' } },
  { name: 'perhead', parameters: { perhead: true } },
  { name: 'once', parameters: {}, lookUps: 'once' },
  { name: 'twice', parameters: {}, twice: true },
  { name: 'agree', parameters: {}, agree: unitsAgreed },
  { name: 'code', parameters: {}, units: 'code' },
  { name: 'code-agree', parameters: {}, units: 'code', agree: unitsAgreed },
  // While a file is read, units of other files alone are looked up; and those of the files that it imports first.
  { name: 'other', parameters: { lookup: 'other' }, units: 'code' },
  { name: 'imports', parameters: { lookup: 'imports', order: 'imports' }, units: 'code' },
  { name: 'imports-agree', parameters: { lookup: 'imports', order: 'imports' }, units: 'code', agree: unitsAgreed },
  // The same order, but any unit is looked up.
  { name: 'imports-before', parameters: { order: 'imports' }, units: 'code' },
  { name: 'imports-recall', parameters: { lookup: 'imports', order: 'imports' }, units: 'code', recall: 'all' },
  { name: 'recall', parameters: {}, units: 'code', recall: 'all' },
  { name: 'heads', parameters: {}, units: 'code', recall: 'attention' },
  { name: 'ordered-code', parameters: { places: 'ordered' }, units: 'code' },
  { name: 'ordered-recall', parameters: { places: 'ordered' }, units: 'code', recall: 'all' },
  { name: 'ordered-agree', parameters: { places: 'ordered' }, agree: unitsAgreed },
  { name: 'ordered-once', parameters: { places: 'ordered' }, lookUps: 'once' },
  { name: 'ordered-twice', parameters: { places: 'ordered' }, lookUps: 'once', twice: true },
]

export interface Said {
  readonly text: string
  readonly readSeconds: number
  /** That recall took to read the text itself, and to find units. */
  readonly recallSeconds?: number
  readonly answerSeconds: number
  /** In how many of the layers one of the looked-up units held what was wanted, when the answer began. */
  readonly layersThatFound?: number
  readonly layers?: number
  /** Where what is wanted stood, as a share of the text, where files stood in another order. */
  readonly at?: number
}

export interface Reading {
  readonly addon: NativeAddon
  readonly model: NativeModel
  readonly parameters: Partial<StreamParameters>
  /** Another than the one that ships for the model. */
  readonly profile?: Profile
  readonly progress: (tokens: number) => void
}

const seconds = (since: number): number => (performance.now() - since) / 1000

/**
 * The memory of the case that was read last, for ways that read it alike and only answer otherwise: an answer leaves nothing behind.
 * `readSeconds` of each is what that reading took.
 */
export class LastRead {
  private held: { readonly key: string; readonly asked: Case; readonly memory: NativeInfLlm; readonly seconds: number } | undefined // prettier-ignore

  async of(asked: Case, way: Way, parameters: StreamParameters, { addon, model, progress }: Reading) {
    const key = JSON.stringify([parameters, way.units])
    if (this.held?.key === key && this.held.asked === asked) return this.held
    this.close()
    const started = performance.now()
    const memory = new addon.InfLlm(model, parameters)
    try {
      const { order, lookup } = parameters
      const { stream, lengths, files } = order === 'imports' ? inOrderOfImports(asked) : asked
      const none = new Int32Array()
      const tokens = {
        tokens: stream,
        lengths: way.units === 'code' ? lengths : none,
        files: files.map(({ place }) => place),
      }
      let before = 0
      for (const part of partsOf(tokens, lookup)) {
        await memory.read({ ...part, rows: none, trace: false }, new addon.Cancel(), (read) => progress(before + read))
        before += part.tokens.length
      }
      this.held = { key, asked, memory, seconds: seconds(started) }
      return this.held
    } catch (thrown) {
      memory.dispose()
      throw thrown
    }
  }

  close(): void {
    this.held?.memory.dispose()
    this.held = undefined
  }
}

/** Undefined where the case is longer than what the model was trained for, and the way reads it whole. */
export async function say(way: Way, asked: Case, reading: Reading, last: LastRead): Promise<Said | undefined> {
  const { addon, model } = reading
  const cancel = new addon.Cancel()
  const pieces: Uint8Array[] = []
  const text = () => Buffer.concat(pieces).toString('utf8')
  const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: asked.maxTokens }
  const started = performance.now()
  if (way.parameters === undefined) {
    if (asked.length + asked.maxTokens > model.info().trainedContext) return undefined
    const tokens = Int32Array.from([...asked.stream, ...asked.question])
    const request = { ...sampling, tokens, watch: new Uint32Array(), watchHeads: [] }
    let read = 0
    await model.generate(request, cancel, (_, token) => {
      if (!token) return
      if (pieces.length === 0) read = seconds(started)
      pieces.push(token.piece)
    })
    return { text: text(), readSeconds: read, answerSeconds: seconds(started) - read }
  }
  const parameters = { ...paper, ...reading.parameters, ...way.parameters }
  const laidOut = parameters.order === 'imports' ? inOrderOfImports(asked) : asked
  const { memory, seconds: readSeconds } = await last.of(asked, way, parameters, reading)
  const { lookUps = 'each', twice = false, agree = 0 } = way
  const recalling = performance.now()
  const found = way.recall ? await recalled(laidOut, reading, way.recall) : []
  const recallSeconds = seconds(recalling)
  const answering = performance.now()
  const chosen = unitsOf(found, memory.unitStarts(), parameters)
  const question = { ...sampling, tokens: asked.question, lookUps, twice, agree, units: chosen }
  let units: UsedUnits = []
  await memory.answer(question, cancel, ({ units: used, token }) => {
    if (used) units = used
    if (token) pieces.push(token.piece)
  })
  const starts = memory.unitStarts()
  const holds = (unit: number) => (starts[unit] ?? Infinity) < laidOut.to && laidOut.from < (starts[unit + 1] ?? 0)
  return {
    text: text(),
    readSeconds,
    ...(way.recall ? { recallSeconds } : {}),
    answerSeconds: seconds(answering),
    layersThatFound: units.filter((lists) => lists.some((list) => list.some(holds))).length,
    layers: units.length,
    ...(laidOut === asked ? {} : { at: laidOut.from / laidOut.stream.length }),
  }
}
