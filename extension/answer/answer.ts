/**
 * An answer: recall, reading list, generation as a stream, citations. When nothing in the memory fits the question, it says so
 * and the model is not asked.
 */
import { cancellable, type GeneratedToken } from '../engine/addon'
import type { AskRequest, AskResult, Progress, RecalledUnit } from '../protocol/types'
import type { Memory } from '../recall/memory'
import { headsOf } from '../recall/profile'
import { ProgressMeter } from '../recall/progress'
import { recall, textsOf } from '../recall/recall'
import { fits } from './fit'
import { citations, type WatchedToken } from './citations'
import { buildPrompt } from './prompt'
import { readingList } from './reading-list'

export interface AnswerTools {
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly text: (text: string) => void
}

/** Units whose score lies further below the best one's are not read. Scores are z-scores over all units. */
const scoreGap = 4
const leastUnits = 3
const mostUnits = 6

export const nothingFits =
  'Nothing in this repository seems to fit the question, so there is no answer to give. Ask with words that the code might use, or name a file or a symbol.'

export async function answer(
  memory: Memory,
  request: Pick<AskRequest, 'question' | 'sampling' | 'readingTokens' | 'signals' | 'rerank' | 'rarity'>,
  tools: AnswerTools,
): Promise<Omit<AskResult, 'timings'> & { timings: Omit<AskResult['timings'], 'stream' | 'total'> }> {
  const { addon, model, profile } = memory.loaded
  const { question } = request
  const started = performance.now()
  const found = await recall(memory, question, { ...request, top: 24 }, tools)
  const recalled = performance.now()
  const timings = (firstToken: number) => ({
    recall: recalled - started,
    firstToken: firstToken - recalled,
    answer: performance.now() - firstToken,
  })
  if (!fits(memory.lexical, question, found.units)) {
    tools.text(nothingFits)
    return { answer: nothingFits, citations: [], reading: [], found: false, timings: timings(performance.now()) }
  }

  const texts = await textsOf(memory.root, found.units)
  const budget = Math.min(request.readingTokens, model.info().trainedContext - request.sampling.maxTokens - 512)
  const reading = readingList(
    model,
    found.units.map((unit, i) => ({ unit, text: texts[i] ?? '' })),
    { budget, gap: scoreGap, least: leastUnits, most: mostUnits },
  )
  const prompt = buildPrompt(model, question, reading)
  const watchHeads = headsOf(profile)
  const watched: WatchedToken[] = []
  const decoder = new TextDecoder()
  const meter = new ProgressMeter('prefill', 'tokens', tools.progress)
  let text = ''
  let firstToken = 0
  const onToken = (token: GeneratedToken) => {
    if (firstToken === 0) firstToken = performance.now()
    watched.push({ start: text.length, attention: token.attention })
    const piece = decoder.decode(token.piece, { stream: true })
    text += piece
    if (piece !== '') tools.text(piece)
  }
  await cancellable(addon, tools.signal, (cancel) =>
    model.generate(
      { ...request.sampling, tokens: prompt.tokens, watch: prompt.spans, watchHeads },
      cancel,
      (prefilled, token) => {
        if (token) onToken(token)
        else if (prefilled !== undefined) meter.report(prefilled, prompt.tokens.length)
      },
    ),
  )
  const rest = decoder.decode()
  if (rest !== '') tools.text(rest)
  text += rest
  const trimmed = text.trimEnd()
  return {
    answer: trimmed,
    citations: citations(trimmed, watched, reading, watchHeads.length),
    reading: reading.map(({ unit }): RecalledUnit => unit),
    found: true,
    timings: timings(firstToken === 0 ? performance.now() : firstToken),
  }
}
