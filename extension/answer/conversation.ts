/**
 * What a question means in its conversation. One that only points back ("and where is it tested?") finds nothing by its own words:
 * it is looked for together with the question that it points back to and the names that were read for it. The model is given what
 * was said before, as far as there is room.
 */
import type { NativeModel } from '../engine/addon'
import type { Turn } from '../protocol/chat'
import type { EarlierTurn, RecalledUnit } from '../protocol/types'
import { questionWords } from '../recall/words'

/** Words that stand for something said before. */
const pointers =
  /\b(?:it|its|itself|this|that|these|those|they|them|their|there|he|she|one|ones|same|former|latter|above|more|else|again)\b/i
/** Beginnings of a question that goes on. */
const goesOn =
  /^\s*(?:and|but|so|or|then|also|why|ok(?:ay)?|what about|how about|what if|for example|such as|like what)\b/i
/** A name of code says by itself what is meant. */
const codeName =
  /`[^`]+`|\b[\p{L}_$][\p{L}\p{N}$]*(?:_[\p{L}\p{N}$_]+|\p{Ll}\p{Lu}[\p{L}\p{N}$_]*|\.\p{L}[\p{L}\p{N}_$]*|\(\))/u
/** Telling words; a question with more of them stands by itself, whatever else is in it. */
const fewWords = 3
/** Questions that point back to one that does, too. */
const mostSteps = 4
const mostNames = 2
/** Turns that are told to the engine: more than any question points back to or a model has room for. */
const mostTurns = 12

/** Whether a question needs what was said before it. */
export function pointsBack(question: string): boolean {
  if (codeName.test(question)) return false
  const telling = questionWords(question).filter(({ terms }) => terms.length > 0).length
  return telling === 0 || (telling <= fewWords && (pointers.test(question) || goesOn.test(question)))
}

/** The words to look for: the question's own, or with those of what it points back to. */
export function meantBy(question: string, before: readonly EarlierTurn[]): string {
  const parts = [question]
  let names: readonly string[] = []
  for (let i = before.length - 1; i >= 0 && parts.length <= mostSteps && pointsBack(parts[0] ?? ''); i--) {
    const turn = before[i]
    if (!turn) break
    if (names.length === 0) names = turn.names.slice(0, mostNames)
    parts.unshift(turn.question)
  }
  if (parts.length === 1) return question
  const said = parts.join(' ')
  return [said, ...names.filter((name) => !said.includes(name))].join(' ')
}

/** What is remembered of a turn of which these units were read. */
export const earlier = (
  question: string,
  answer: string,
  read: readonly Pick<RecalledUnit, 'symbol' | 'score'>[],
): EarlierTurn => {
  // A unit that holds several definitions names them all: the first stands for it.
  const symbols = [...read].sort((a, b) => b.score - a.score).map(({ symbol }) => symbol.split(', ')[0] ?? '')
  return { question, answer, names: [...new Set(symbols)].filter((symbol) => symbol !== '') }
}

/** The turns of a chat that were answered, with the marks of their questions as words. */
export const earlierTurns = (turns: readonly Turn[], words: (turn: Turn) => string): EarlierTurn[] =>
  turns
    .filter(({ state }) => state === 'done' || state === 'stopped')
    .slice(-mostTurns)
    .map((turn) => earlier(words(turn), turn.answer, turn.result?.found.filter(({ read }) => read) ?? []))

/** The latest turns that fit into `room` tokens, oldest first; turns without an answer say nothing to a model. */
export function withRoom(
  model: Pick<NativeModel, 'tokenize'>,
  before: readonly EarlierTurn[],
  room: number,
): readonly EarlierTurn[] {
  const chosen: EarlierTurn[] = []
  let left = room
  for (const turn of before.toReversed()) {
    if (turn.answer.trim() === '') continue
    // With what the template writes around two messages.
    left -= model.tokenize(turn.question, false).length + model.tokenize(turn.answer, false).length + 24
    if (left < 0) break
    chosen.unshift(turn)
  }
  return chosen
}
