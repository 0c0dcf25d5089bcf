/** InfLLM's parameters: the paper's, what a model takes of them, and how people name others. */
import type { InfLlmParameters } from '../engine/addon'
import { LongreadError } from '../errors'

/** The paper's setting (its config/llama-3-inf-llm.yaml), for models trained for 8K tokens and more. */
export const paper: InfLlmParameters = {
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
  folder: '',
}

/** The same for a model that was trained for fewer tokens: everything that is counted in tokens, in proportion. */
export function usualParameters(trainedContext: number): InfLlmParameters {
  const share = Math.min(1, trainedContext / 8192)
  const part = (tokens: number) => Math.max(1, Math.floor(tokens * share))
  const { nInit, nLocal, blockSize, excBlockSize, reprTopk } = paper
  return {
    ...paper,
    nInit: part(nInit),
    nLocal: part(nLocal),
    blockSize: part(blockSize),
    excBlockSize: part(excBlockSize),
    reprTopk: Math.min(reprTopk, part(blockSize)),
  }
}

/** `name=value,…`, by the names and kinds of the paper's. Throws usage; `option` is named in it. */
export function settingsOf(text: string, option: string): Partial<InfLlmParameters> {
  const settings: Record<string, number | string | boolean> = {}
  const usual = new Map<string, number | string | boolean>(Object.entries(paper))
  const wrong = (why: string) => new LongreadError('usage', `${option}: ${why}`)
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
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
    } else settings[name] = value
  }
  return settings
}
