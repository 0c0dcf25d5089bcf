/**
 * An answer: recall, reading list, generation as a stream, citations. When nothing in the memory fits the question, it says so
 * and the model is not asked.
 */
import { cancellable, type GeneratedToken, type Head, type ModelInfo } from '../engine/addon'
import type { AskRequest, AskResult, Progress, RecalledUnit } from '../protocol/types'
import type { Memory } from '../recall/memory'
import { headsOf } from '../recall/profile'
import { ProgressMeter } from '../recall/progress'
import { recall, textsOf } from '../recall/recall'
import { fits } from './fit'
import { citations, type WatchedToken } from './citations'
import { meantBy, withRoom } from './conversation'
import { buildPrompt } from './prompt'
import { readingList } from './reading-list'
import { Speech } from './speech'

export interface AnswerTools {
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly text: (text: string) => void
}

/**
 * Units that score less than this part of the best one are not read: a small model is easily led astray. Scores are z-scores
 * over all units. Of 40 planted constants, none of the first 11 was answered with at least three units read, 35 with the best
 * unit alone and 36 with those close to it (`longread bench facts`).
 */
const closeness = 0.8
const leastUnits = 1
const mostUnits = 6

export const nothingFits =
  'Nothing in this repository seems to fit the question, so there is no answer to give. Ask with words that the code might use, or name a file or a symbol.'

export async function answer(
  memory: Memory,
  request: Pick<
    AskRequest,
    'question' | 'before' | 'sampling' | 'readingTokens' | 'signals' | 'rerank' | 'rerankSeconds' | 'rarity' | 'within'
  >,
  tools: AnswerTools,
): Promise<Omit<AskResult, 'from' | 'timings'> & { timings: Omit<AskResult['timings'], 'stream' | 'total'> }> {
  const { addon, model, profile } = memory.loaded
  const { question, before = [] } = request
  const meant = meantBy(question, before)
  const told = meant === question ? {} : { meant }
  const started = performance.now()
  const found = await recall(memory, meant, { ...request, top: 24 }, tools)
  const recalled = performance.now()
  const timings = (firstToken: number) => ({
    recall: recalled - started,
    firstToken: firstToken - recalled,
    answer: performance.now() - firstToken,
  })
  // Who points at code wants an answer about it, whatever its words are.
  const fit = request.within ? found.units.length > 0 : fits(memory.lexical, meant, found.units)
  if (!fit) {
    tools.text(nothingFits)
    return {
      answer: nothingFits,
      ...told,
      citations: [],
      reading: [],
      recalled: found.units,
      found: false,
      timings: timings(performance.now()),
    }
  }

  const texts = await textsOf(memory, found.units)
  const room = model.info().trainedContext - request.sampling.maxTokens - 512
  const budget = Math.min(request.readingTokens, room)
  const reading = readingList(
    model,
    found.units.map((unit, i) => ({ unit, text: texts[i] ?? '' })),
    { budget, closeness, least: leastUnits, most: mostUnits },
  )
  // Never more of what was said than of code.
  const said = withRoom(model, before, Math.min(room - budget, budget))
  const prompt = buildPrompt(model, question, reading, said)
  const watchHeads = profile.heads.length > 0 ? headsOf(profile) : middleHeads(model.info())
  const watched: WatchedToken[] = []
  const meter = new ProgressMeter('prefill', 'tokens', tools.progress)
  const speech = new Speech(prompt.oneLine, tools.text)
  let firstToken = 0
  const onToken = (token: GeneratedToken) => {
    if (firstToken === 0) firstToken = performance.now()
    watched.push({ start: speech.written, attention: token.attention })
    speech.push(token.piece)
  }
  await cancellable(addon, AbortSignal.any([tools.signal, speech.over]), (cancel) =>
    model.generate(
      { ...request.sampling, tokens: prompt.tokens, watch: prompt.spans, watchHeads },
      cancel,
      (prefilled, token) => {
        if (token) onToken(token)
        else if (prefilled !== undefined) meter.report(prefilled, prompt.tokens.length)
      },
    ),
  ).catch((thrown: unknown) => {
    if (!speech.over.aborted || tools.signal.aborted) throw thrown
  })
  const trimmed = speech.end()
  return {
    answer: trimmed,
    ...told,
    citations: citations(trimmed, watched, reading, watchHeads.length),
    reading: reading.map(({ unit }): RecalledUnit => unit),
    recalled: found.units,
    found: true,
    timings: timings(firstToken === 0 ? performance.now() : firstToken),
  }
}

/** What citations watch in a model without a profile: all heads of one layer, deep enough for copying what was read. */
function middleHeads({ layers, heads }: ModelInfo): Head[] {
  return Array.from({ length: heads }, (_, head) => ({ layer: Math.floor(layers / 2), head }))
}
