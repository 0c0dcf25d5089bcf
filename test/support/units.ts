/** InfLLM's memory for tests: small parameters, texts of random tokens, a read of all of one, an answer. */
import {
  loadAddon,
  type InfLlmParameters,
  type NativeInfLlm,
  type NativeModel,
  type UnitCandidates,
  type UsedUnits,
} from '../../extension/engine/addon'
import { run } from './model'
import { gaussian, type RandomModel } from './random-model'

export const smallParameters: InfLlmParameters = {
  nInit: 8,
  nLocal: 32,
  blockSize: 8,
  topk: 3,
  reprTopk: 2,
  maxCachedBlock: 4,
  excBlockSize: 16,
  perhead: false,
  distance: 0,
  places: 'one',
  format: 'f16',
  maxReprMegabytes: 2 ** 20,
  folder: '',
}

export const someTokens = (random: RandomModel, length: number, seed: number): Int32Array => {
  const normal = gaussian(seed)
  return Int32Array.from({ length }, () => Math.floor(Math.abs(normal()) * 1e6) % random.vocab)
}

export const memoryOf = (model: NativeModel, parameters: InfLlmParameters): NativeInfLlm =>
  new (loadAddon().InfLlm)(model, parameters)

/** Logits of all tokens, and the units that each block used. */
export const readAll = (
  memory: NativeInfLlm,
  tokens: Int32Array,
  lengths: Int32Array = new Int32Array(),
  trace = true,
) => run((cancel) => memory.read({ tokens, lengths, rows: Int32Array.from(tokens.keys()), trace }, cancel, () => 0))

/** Tokens that are read in one call, how they are cut (none: into blocks), and what they look up. */
export interface TextPart extends UnitCandidates {
  readonly tokens: number
  readonly lengths: readonly number[]
}

/** The same of a text that is read part by part. */
export async function readParts(memory: NativeInfLlm, tokens: Int32Array, parts: readonly TextPart[]) {
  const [logits, trace]: [number[], UsedUnits[]] = [[], []]
  let from = 0
  for (const { tokens: count, lengths, ...among } of parts) {
    const part = tokens.subarray(from, (from += count))
    const request = { tokens: part, lengths: Int32Array.from(lengths), rows: Int32Array.from(part.keys()), trace: true }
    const is = await run((cancel) => memory.read({ ...request, ...among }, cancel, () => 0))
    logits.push(...is.logits)
    trace.push(...is.trace)
  }
  return { logits, trace }
}

/** Rejects as callers see it. */
export const saveTo = (memory: NativeInfLlm, path: string, identity: string): Promise<void> =>
  run((cancel) => memory.save(path, identity, cancel, () => undefined))

export const restoreFrom = (memory: NativeInfLlm, paths: string | readonly string[], identity: string): Promise<void> =>
  run((cancel) => memory.restore([paths].flat(), identity, cancel, () => undefined))

export const question = (tokens: Int32Array, maxTokens: number) =>
  ({
    tokens,
    temperature: 0,
    topP: 1,
    seed: 0,
    maxTokens,
    lookUps: 'each',
    twice: false,
    agree: 0,
    units: new Int32Array(),
  }) as const

export async function answerTo(memory: NativeInfLlm, request: Parameters<NativeInfLlm['answer']>[0]) {
  const made: number[] = []
  let units: UsedUnits = []
  const end = await run((cancel) =>
    memory.answer(request, cancel, ({ units: used, token }) => {
      if (used) units = used
      if (token) made.push(token.token)
    }),
  )
  return { made, end, units }
}
