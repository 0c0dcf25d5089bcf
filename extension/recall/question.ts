/**
 * A question as the model hears it: twice, in the profile's prompt, read for the queries that its second time gives the recall
 * heads; and how much each of its tokens counts.
 */
import { cancellable, type Head } from '../engine/addon'
import { LongreadError, tooLong } from '../errors'
import type { LexicalIndex } from './lexical'
import type { LoadedModel } from './loaded'
import { headsOf } from './profile'
import { questionWords, type QuestionWord } from './words'

/** A question of more tokens than this is cut by no one: it is refused. */
const mostTokens = 1024

export interface HeardQuestion {
  /** [head][token][head size]. */
  readonly queries: Float32Array
  readonly tokens: number
  /** The word that each token belongs to, or -1. */
  readonly wordOf: Int32Array
  readonly words: readonly QuestionWord[]
}

export async function hear(loaded: LoadedModel, question: string, signal?: AbortSignal): Promise<HeardQuestion> {
  const { addon, model, profile } = loaded
  const before = model.tokenize(profile.prompt.before, true)
  const own = model.tokenize(question, false)
  const between = model.tokenize(profile.prompt.between, true)
  if (own.length > mostTokens) throw tooLong('The question', own.length, mostTokens)
  if (own.length === 0) throw new LongreadError('usage', 'The question is empty.')
  const { beginToken } = model.info()
  // Keys were read after it; a prompt that writes its own is not given a second one.
  const begin = beginToken >= 0 && before[0] !== beginToken ? [beginToken] : []
  const prompt = Int32Array.from([...begin, ...before, ...own, ...between, ...own])
  const heads: readonly Head[] = headsOf(profile)
  const queries = await cancellable(addon, signal, (cancel) =>
    model.queries(prompt, prompt.length - own.length, heads, profile.distance, cancel),
  )
  const words = questionWords(question)
  return { queries, tokens: own.length, wordOf: wordsOf(loaded, own, words), words }
}

/** Which word each token stands in, by counting characters along the tokens. */
function wordsOf({ model }: LoadedModel, tokens: Int32Array, words: readonly QuestionWord[]): Int32Array {
  const result = new Int32Array(tokens.length).fill(-1)
  let at = 0
  tokens.forEach((token, i) => {
    const piece = model.detokenize(Int32Array.of(token))
    const start = at
    at += piece.length
    result[i] = words.findIndex((word) => word.start < at && word.end > start)
  })
  return result
}

/**
 * How much each token counts; the weights sum to 1. A word counts as its rarest part is rare in this repository, to the power
 * given (0: all alike); words that say nothing, and marks between words, still count a little.
 */
export function tokenWeights(heard: HeardQuestion, lexical: LexicalIndex, power: number): Float32Array {
  const rarities = heard.words.map((word) => Math.max(0, ...word.terms.map((term) => lexical.rarity(term))))
  const weights = new Float32Array(heard.tokens)
  for (let t = 0; t < heard.tokens; t++) weights[t] = (quietToken + (rarities[heard.wordOf[t] ?? -1] ?? 0)) ** power
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

const quietToken = 0.5
