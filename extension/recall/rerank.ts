/**
 * Rerank by reading: how likely the model finds the question right after each of the best units, read afresh (findings: reading
 * through stored keys and values instead lowers every figure). Units are cut to what tells them apart, within a time budget.
 */
import { cancellable } from '../engine/addon'
import type { UnitReference } from '../protocol/types'
import { fileHeader } from './episode'
import type { LoadedModel } from './loaded'

/** Tokens of a unit that are read; most units are shorter. */
const unitTokens = 160

/** Units that are worth waiting for: 16 gave a unit MRR of .585 on the development repositories, 64 gave .594. */
export const firstUnits = 16

export interface RerankOptions {
  /** In which the first units are read… */
  readonly seconds: number
  /** …and from the start, in which further ones are begun: by a fast machine, or where most were read for an earlier question. */
  readonly spareSeconds: number
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

/** As much of a text as has more than its first tokens nearly always; and tokens that the end of a text that was cut may change. */
const cutAt = 12 * unitTokens
const cutMargin = 16

/** The first tokens of a unit. Some units are a hundred times as long, and a question waits for each to be cut to tokens. */
function firstTokens(model: Pick<LoadedModel['model'], 'tokenize'>, text: string): Int32Array {
  const tokens = model.tokenize(text.slice(0, cutAt), false)
  const enough = text.length <= cutAt || tokens.length >= unitTokens + cutMargin
  return (enough ? tokens : model.tokenize(text, false)).subarray(0, unitTokens)
}

/** Log-likelihood of the question in nats a token, for each candidate, best first; NaN for those that the time did not reach. */
export async function likelihoods(
  { addon, model }: LoadedModel,
  question: string,
  candidates: readonly { readonly unit: UnitReference; readonly text: string }[],
  options: RerankOptions,
): Promise<Float32Array> {
  const target = model.tokenize(question, false)
  const { beginToken } = model.info()
  const begin = beginToken >= 0 ? [beginToken] : []
  const asking = model.tokenize(ask, false)
  const prefixes = candidates.map(({ unit, text }) => {
    const symbol = unit.symbol === '' ? '' : `# ${unit.symbol}\n`
    const head = model.tokenize(fileHeader(unit.file) + symbol, false)
    return Int32Array.from([...begin, ...head, ...firstTokens(model, text), ...asking])
  })
  const result = new Float32Array(prefixes.length).fill(NaN)
  const started = performance.now()
  const read = async (from: number, to: number, seconds: number) => {
    if (from >= Math.min(to, prefixes.length) || seconds <= 0) return
    const found = await cancellable(addon, options.signal, (cancel) =>
      model.likelihood(prefixes.slice(from, to), target, seconds, cancel, (done) => options.progress(from + done)),
    )
    result.set(found, from)
  }
  // A GPU reads all of them at once.
  const first = model.info().together > 0 ? prefixes.length : firstUnits
  await read(0, first, options.seconds)
  await read(first, prefixes.length, options.spareSeconds - (performance.now() - started) / 1000)
  return result
}
