/** What one may ask next, from what was found: small models suggest badly, symbols that stand in the code do not. */
import type { RecalledUnit, Unit } from '../protocol/types'

/** Fills in the places of a question; in the editor, of its translation. */
export type Fill = (message: string, ...args: string[]) => string

const most = 3
/** What stands as their symbol is a heading or a number, which nothing uses. */
const nameless: ReadonlySet<Unit['kind']> = new Set(['section', 'text', 'cell'])

export function followUps(reading: readonly RecalledUnit[], question: string, fill: Fill): string[] {
  const ranked = [...reading].sort((a, b) => b.score - a.score)
  const named = ranked.filter(({ symbol, kind }) => symbol !== '' && !nameless.has(kind))
  const suggestions: string[] = []
  const [first, second] = named
  if (first) {
    const name = last(first.symbol)
    suggestions.push(fill('Where is `{0}` used?', name))
    suggestions.push(fill('What does `{0}` do, step by step?', name))
  }
  if (second) suggestions.push(fill('How does `{0}` relate to it?', last(second.symbol)))
  const [best] = ranked
  if (best) suggestions.push(fill('What else is in {0}?', best.file))
  const asked = question.trim().toLowerCase()
  return suggestions.filter((text) => text.toLowerCase() !== asked).slice(0, most)
}

/** A unit that holds several definitions names them all: the first stands for it. */
const last = (symbol: string): string => symbol.split(', ')[0]?.split('.').at(-1) ?? symbol
