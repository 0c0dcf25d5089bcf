/**
 * A question as the model hears it: twice, in the profile's prompt, read for the queries that its second time gives the recall
 * heads; and how much each of its tokens counts.
 */
import { cancellable, type Head } from '../engine/addon'
import { LongreadError, tooLong } from '../errors'
import type { LexicalIndex } from './lexical'
import type { LoadedModel } from './memory'
import { headsOf } from './profile'
import { questionWords, type QuestionWord } from './words'

/** Reference questions' queries, as the native reader wants them: [head][all their tokens][head size]. */
export interface Bank {
  readonly queries: Float32Array
  readonly tokens: Uint32Array
}

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
  const prompt = Int32Array.from([...before, ...own, ...between, ...own])
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
 * How much each token counts; the weights sum to 1. With `rarity`, a word counts as its rarest part is rare in this repository;
 * words that say nothing, and marks between words, still count a little.
 */
export function tokenWeights(heard: HeardQuestion, lexical: LexicalIndex, rarity: boolean): Float32Array {
  const rarities = heard.words.map((word) => Math.max(0, ...word.terms.map((term) => lexical.rarity(term))))
  const weights = new Float32Array(heard.tokens)
  for (let t = 0; t < heard.tokens; t++) weights[t] = rarity ? quietToken + (rarities[heard.wordOf[t] ?? -1] ?? 0) : 1
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

const quietToken = 0.5

/**
 * Hears the profile's reference questions; a unit's statistics over them are taken while it is read.
 */
export async function readBank(loaded: LoadedModel, signal?: AbortSignal): Promise<Bank> {
  const { profile, model } = loaded
  const size = model.info().headSize
  const heads = headsOf(profile).length
  const heard: HeardQuestion[] = []
  for (const text of profile.bank) heard.push(await hear(loaded, text, signal))
  const counts = Uint32Array.from(heard, ({ tokens }) => tokens)
  const all = counts.reduce((sum, n) => sum + n, 0)
  const queries = new Float32Array(heads * all * size)
  for (let head = 0; head < heads; head++) {
    let row = 0
    for (const { queries: from, tokens } of heard) {
      queries.set(from.subarray(head * tokens * size, (head + 1) * tokens * size), (head * all + row) * size)
      row += tokens
    }
  }
  return { queries, tokens: counts }
}
