/**
 * Which lines of a unit hold the words that found it. Attention says how much each word of the question found the unit; the lines
 * that hold the word, or a part of it, are where it found it.
 */
import type { HotLine } from '../protocol/chat'
import type { FoundBy, Unit } from '../protocol/types'
import { questionWords, terms } from '../recall/words'

const mostStretches = 48
const mostLines = 4
const longestLine = 160

/** Heat of each line of a text, 0 to 1, and the words that made it. */
export function lineHeat(text: string, foundBy: readonly FoundBy[]): { heat: number; words: string[] }[] {
  const wanted = foundBy.map(({ word, share }) => ({ word, share, terms: questionWords(word).flatMap((w) => w.terms) }))
  const lines = text.split('\n').map((line) => {
    const here = new Set(terms(line))
    const held = wanted.filter(({ terms: parts }) => parts.some((term) => here.has(term)))
    return { heat: held.reduce((sum, { share }) => sum + share, 0), words: held.map(({ word }) => word) }
  })
  const most = Math.max(0, ...lines.map(({ heat }) => heat))
  return most === 0 ? lines : lines.map(({ heat, words }) => ({ heat: heat / most, words }))
}

/** A unit's heat, from the whole text of its file. */
export function heatOf(
  text: string,
  unit: Unit & { readonly foundBy: readonly FoundBy[] },
): { heat: number[]; lines: HotLine[] } {
  const own = text.split('\n').slice(unit.startLine - 1, unit.endLine)
  const lines = lineHeat(own.join('\n'), unit.foundBy)
  const hot = lines
    .map(({ heat, words }, i) => ({ line: unit.startLine + i, text: (own[i] ?? '').trim(), words, heat }))
    .filter(({ heat }) => heat > 0)
    .sort((a, b) => b.heat - a.heat || a.line - b.line)
    .slice(0, mostLines)
    .sort((a, b) => a.line - b.line)
    .map(({ line, text: shown, words }) => ({ line, words, text: shown.slice(0, longestLine) }))
  const size = Math.max(1, Math.ceil(lines.length / mostStretches))
  const heat: number[] = []
  for (let from = 0; from < lines.length; from += size)
    heat.push(Math.round(100 * Math.max(...lines.slice(from, from + size).map((line) => line.heat))) / 100)
  return { heat, lines: hot }
}
