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

/**
 * What stands between code and question. Unit MRR after reading 32 units again, on the first questions of the calibration and the development
 * repositories: .661 and .556; `# The code above answers this question: ` .642 and .532, a docstring's quotes .645 and .549, two examples of
 * code and question before .665 and .544 at twice the tokens, a chat turn .628 and .518. Of 96, 160 and 256 tokens of code .633, .642, .646 and
 * .531, .532, .521. Less the likelihood of reference questions: lower by .01 to .04.
 */
const ask = '\n# In plain words: '

/** Log-likelihood of the question in nats a token, for each candidate; NaN for those that the time did not reach. */
export async function likelihoods(
  { addon, model }: LoadedModel,
  question: string,
  candidates: readonly { readonly unit: UnitReference; readonly text: string }[],
  options: RerankOptions,
): Promise<Float32Array> {
  const target = model.tokenize(question, false)
  const { beginToken } = model.info()
  const begin = beginToken >= 0 ? [beginToken] : []
  const prefixes = candidates.map(({ unit, text }) => {
    const symbol = unit.symbol === '' ? '' : `# ${unit.symbol}\n`
    const head = model.tokenize(fileHeader(unit.file) + symbol, false)
    const body = model.tokenize(text, false).subarray(0, unitTokens)
    return Int32Array.from([...begin, ...head, ...body, ...model.tokenize(ask, false)])
  })
  if (prefixes.length === 0) return new Float32Array()
  return cancellable(addon, options.signal, (cancel) =>
    model.likelihood(prefixes, target, options.seconds, cancel, options.progress),
  )
}
