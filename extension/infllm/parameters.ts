/** InfLLM's parameters: the paper's, what a model takes of them, and how people name others. */
import type { InfLlmParameters, ModelInfo } from '../engine/addon'
import { LongreadError } from '../errors'
import { lookups, orders, type Lookup, type Order } from './lookup'

/** Of a stream: InfLLM's, and in what order a repository's files are read and what is looked up meanwhile (lookup.ts). */
export interface StreamParameters extends InfLlmParameters {
  /** By imports where these are looked up. */
  readonly order: Order
  readonly lookup: Lookup
}

/** The paper's setting (its config/llama-3-inf-llm.yaml), for models trained for 8K tokens and more. */
export const paper: StreamParameters = {
  nInit: 128,
  nLocal: 4096,
  blockSize: 128,
  topk: 16,
  reprTopk: 4,
  maxCachedBlock: 32,
  excBlockSize: 512,
  perhead: false,
  distance: 0,
  places: 'one',
  format: 'f16',
  maxReprMegabytes: 2 ** 20, // as many as there is room for
  folder: '',
  order: 'names',
  lookup: 'all',
}

/** Of what is a word; places and formats the engine knows. */
const words: Readonly<Record<string, readonly string[]>> = { order: orders, lookup: lookups }

/**
 * For small models. Of pass keys in texts of 4K to 1,024K tokens SmolLM2-135M, trained for 8K, finds 362 of 365 by these (`paper` in
 * test/bench/longcontext/figures/passkeys.jsonl); by the paper's it misses those in its window of 4,096 tokens, at the end of the
 * text (1 of 5 cases of each length), as it does by full attention over 4K (4 of 15). Nothing was measured of larger models yet.
 */
const small = { ...paper, nLocal: 1024, blockSize: 64, topk: 8 }

/** Weights of the layers, about: SmolLM2-135M has 119 million by this, SmolLM2-360M 354, Qwen2.5-0.5B 231. */
const weights = ({ layers, embedding }: Pick<ModelInfo, 'layers' | 'embedding'>): number => 12 * layers * embedding ** 2
const smallWeights = 200e6

/** What suits a model; where it was trained for less than 8K tokens, everything that is counted in tokens in proportion. */
export function usualParameters(model: Pick<ModelInfo, 'layers' | 'embedding' | 'trainedContext'>): StreamParameters {
  const share = Math.min(1, model.trainedContext / 8192)
  const part = (tokens: number) => Math.max(1, Math.floor(tokens * share))
  const usual = weights(model) < smallWeights ? small : paper
  const { nInit, nLocal, blockSize, excBlockSize, reprTopk } = usual
  return {
    ...usual,
    nInit: part(nInit),
    nLocal: part(nLocal),
    blockSize: part(blockSize),
    excBlockSize: part(excBlockSize),
    reprTopk: Math.min(reprTopk, part(blockSize)),
  }
}

/** In which a repository's files are read. */
export const orderOf = ({ lookup, order }: StreamParameters): Order => (lookup === 'imports' ? 'imports' : order)

/** Those that are not the paper's. */
export const unlikePaper = (parameters: StreamParameters): Partial<StreamParameters> =>
  Object.fromEntries(
    Object.entries(parameters).filter(([name, value]) => value !== paper[name as keyof StreamParameters]),
  )

/** `name=value,…`, by the names and kinds of the paper's; `paper`: all of them. Throws usage; `option` is named in it. */
export function settingsOf(text: string, option: string): Partial<StreamParameters> {
  const settings: Record<string, number | string | boolean> = {}
  const usual = new Map<string, number | string | boolean>(Object.entries(paper))
  const wrong = (why: string) => new LongreadError('usage', `${option}: ${why}`)
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    if (part.trim() === 'paper') {
      Object.assign(settings, Object.fromEntries([...usual].filter(([name]) => name !== 'folder')))
      continue
    }
    const [name = '', value = ''] = part.split('=').map((one) => one.trim())
    const known = usual.get(name)
    if (known === undefined || name === 'folder')
      throw wrong(`there is no "${name}", only ${[...usual.keys()].filter((key) => key !== 'folder').join(', ')}.`)
    if (typeof known === 'number') {
      if (!/^\d{1,9}$/.test(value)) throw wrong(`${name} must be a number, not "${value}".`)
      settings[name] = Number(value)
    } else if (typeof known === 'boolean') {
      if (value !== 'true' && value !== 'false') throw wrong(`${name} must be true or false, not "${value}".`)
      settings[name] = value === 'true'
    } else {
      const known = words[name]
      if (known && !known.includes(value)) throw wrong(`${name} must be one of ${known.join(', ')}, not "${value}".`)
      settings[name] = value
    }
  }
  return settings
}
