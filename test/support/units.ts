/** InfLLM's memory for tests: small parameters, texts of random tokens, a read of all of one, an answer. */
import {
  loadAddon,
  type InfLlmParameters,
  type NativeInfLlm,
  type NativeModel,
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
