/**
 * The reading list: which of the recalled units the model reads before it answers, chosen by rank under a budget of tokens and
 * laid out in the order of files and lines, so that the code reads as it stands.
 */
import type { NativeModel } from '../engine/addon'
import type { RecalledUnit } from '../protocol/types'

export interface ReadingItem {
  readonly unit: RecalledUnit
  readonly text: string
  readonly tokens: number
}

export interface ReadingOptions {
  /** Tokens of all texts together. */
  readonly budget: number
  /** Beyond the first `least`, no unit whose score is below this part of the best one's is read: a small model is easily led astray. */
  readonly closeness: number
  readonly least: number
  readonly most: number
}

/** One unit never takes more than this part of the budget; what is cut is cut at a line. */
const largestPart = 0.6

/**
 * Chooses from `ranked` (best first, with the text of each). Items come sorted by file and line; no line is in two of them.
 */
export function readingList(
  model: Pick<NativeModel, 'tokenize'>,
  ranked: readonly { readonly unit: RecalledUnit; readonly text: string }[],
  options: ReadingOptions,
): ReadingItem[] {
  const best = ranked[0]?.unit.score ?? 0
  const chosen: ReadingItem[] = []
  let left = options.budget
  for (const { unit, text } of ranked) {
    if (chosen.length >= options.most) break
    if (chosen.length >= options.least && unit.score < options.closeness * best) break
    if (text.trim() === '') continue
    const item = cut(model, unit, text, Math.floor(Math.min(left, options.budget * largestPart)))
    if (!item) continue
    chosen.push(item)
    left -= item.tokens
  }
  return chosen.sort((a, b) => compare(a.unit.file, b.unit.file) || a.unit.startLine - b.unit.startLine)
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The unit with as many of its lines, from the first, as fit; nothing when not even one does. */
function cut(
  model: Pick<NativeModel, 'tokenize'>,
  unit: RecalledUnit,
  text: string,
  budget: number,
): ReadingItem | undefined {
  const tokens = model.tokenize(text, false).length
  if (tokens <= budget) return { unit, text, tokens }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  let [fits, over] = [0, lines.length]
  while (over - fits > 1) {
    const middle = (fits + over) >> 1
    if (model.tokenize(lines.slice(0, middle).join('\n') + '\n', false).length <= budget) fits = middle
    else over = middle
  }
  if (fits === 0) return undefined
  const part = lines.slice(0, fits).join('\n') + '\n'
  return {
    unit: { ...unit, endLine: unit.startLine + fits - 1 },
    text: part,
    tokens: model.tokenize(part, false).length,
  }
}
