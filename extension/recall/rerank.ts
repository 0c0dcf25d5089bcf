/**
 * Rerank by reading: how likely the model finds the question right after each of the best units, read afresh (findings: reading
 * through stored keys and values instead lowers every figure). Units are cut to what tells them apart, within a time budget.
 */
import { cancellable } from '../engine/addon'
import type { UnitReference } from '../protocol/types'
import { fileHeader } from './episode'
import type { LoadedModel } from './memory'

/** Tokens of a unit that are read; most units are shorter. */
const unitTokens = 160

export interface RerankOptions {
  readonly seconds: number
  readonly signal: AbortSignal
  readonly progress: (done: number) => void
}

const ask = '\n# The code above answers this question: '

/** Log-likelihood of the question in nats a token, for each candidate; NaN for those that the time did not reach. */
export async function likelihoods(
  { addon, model }: LoadedModel,
  question: string,
  candidates: readonly { readonly unit: UnitReference; readonly text: string }[],
  options: RerankOptions,
): Promise<Float32Array> {
  const target = model.tokenize(question, false)
  const prefixes = candidates.map(({ unit, text }) => {
    const symbol = unit.symbol === '' ? '' : `# ${unit.symbol}\n`
    const head = model.tokenize(fileHeader(unit.file) + symbol, false)
    const body = model.tokenize(text, false).subarray(0, unitTokens)
    return Int32Array.from([...head, ...body, ...model.tokenize(ask, false)])
  })
  if (prefixes.length === 0) return new Float32Array()
  return cancellable(addon, options.signal, (cancel) =>
    model.likelihood(prefixes, target, options.seconds, cancel, options.progress),
  )
}
