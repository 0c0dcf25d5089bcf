/**
 * Labelled questions from documented functions: what the documentation says is the question, the function is the answer.
 *
 * The gold units of a question are all units of the stripped file that share a line with the function, from its first
 * decorator to its last line; where a long function was split, each part counts.
 */
import type { UnitReference } from '../../protocol/types'
import { stripFile } from './strip'

export interface LabelledQuestion {
  readonly question: string
  readonly file: string
  readonly symbol: string
  /** 1-based and inclusive, in the stripped file. */
  readonly startLine: number
  readonly endLine: number
}

/** Folders whose code asks no questions: it is about other code. They are read all the same. */
const askNothing =
  /(^|\/)(tests?|__tests__|specs?|testdata|fixtures|examples?|samples?|benches|benchmarks?|docs?|vendor|third_party|node_modules)\//i
const testFiles = /(^|\/)(test_[^/]*|conftest|[^/]*(_test|\.test|\.spec)|[^/]*Tests?)\.\w+$/

export const asksNothing = (file: string): boolean => askNothing.test(file) || testFiles.test(file)

/** A small generator (mulberry32), so that a seed gives the same sample everywhere. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** All of the population in an order that the seed gives. */
export function shuffled<Item>(population: readonly Item[], seed: number): Item[] {
  const random = randomFrom(seed)
  const order = [...population]
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[order[last], order[other]] = [order[other] as Item, order[last] as Item]
  }
  return order
}

/** A sample without repetition, in the order of the population. */
export function sample<Item>(population: readonly Item[], limit: number, seed: number): Item[] {
  const places = population.map((_, index) => index)
  const chosen = shuffled(places, seed)
    .slice(0, limit)
    .toSorted((a, b) => a - b)
  return chosen.map((index) => population[index] as Item)
}

/** Questions that differ only in case and marks are one. */
export const normalised = (question: string): string =>
  question
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** Leaves out what is said of several functions: such a text has no one answer. */
export function unambiguous(questions: readonly LabelledQuestion[]): LabelledQuestion[] {
  const seen = new Map<string, number>()
  for (const { question } of questions) seen.set(normalised(question), (seen.get(normalised(question)) ?? 0) + 1)
  return questions.filter(({ question }) => seen.get(normalised(question)) === 1)
}

/** A file without its documentation, and the questions that its documented functions ask. */
export async function stripAndAsk(
  file: string,
  text: string,
  warn?: (message: string) => void,
): Promise<{ readonly text: string; readonly questions: readonly LabelledQuestion[] }> {
  const stripped = await stripFile(file, text, warn ? { warn } : {})
  if (asksNothing(file)) return { text: stripped.text, questions: [] }
  const questions = stripped.definitions.flatMap(({ question, symbol, startLine, endLine }) =>
    question === undefined ? [] : [{ question, file, symbol, startLine, endLine }],
  )
  return { text: stripped.text, questions }
}

/** The units that hold any line of the function asked for. */
export function goldUnits(
  question: Pick<LabelledQuestion, 'file' | 'startLine' | 'endLine'>,
  units: readonly Pick<UnitReference, 'file' | 'startLine' | 'endLine'>[],
): Set<number> {
  const gold = new Set<number>()
  for (const [index, unit] of units.entries()) {
    const overlaps = unit.startLine <= question.endLine && unit.endLine >= question.startLine
    if (unit.file === question.file && overlaps) gold.add(index)
  }
  return gold
}
