/** What was found and what is held, as text for other programs' models: places, why, and the code itself. */
import type { RecalledUnit } from '../protocol/types'
import { codeBlock, oneLine } from './plain'

/** Characters of one unit's code; the place says where the rest is. */
const longestCode = 4000

export interface FoundCode {
  readonly unit: RecalledUnit
  readonly code: string
}

/** Best first, each with its place, its score and its code. */
export function foundAsText(found: readonly FoundCode[]): string {
  if (found.length === 0) return 'Nothing in this repository fits the question.'
  return found
    .map(({ unit, code }) => {
      const { file, startLine, endLine, symbol, score, foundBy } = unit
      const words = foundBy.slice(0, 4).map(({ word }) => word)
      const why = words.length > 0 ? `; found by ${words.join(', ')}` : ''
      const shown = code.length > longestCode ? `${code.slice(0, longestCode)}\n…` : code.trimEnd()
      const place = `${file}:${startLine}-${endLine}${symbol === '' ? '' : ` ${symbol}`} (score ${score.toFixed(2)}${why})`
      // A name that goes over lines may not look like a block of its own.
      return `${oneLine(place)}\n${codeBlock(shown)}`
    })
    .join('\n\n')
}

/** Of a whole file's text, the lines from start to end. */
export const linesOf = (text: string, startLine = 1, endLine = Infinity): string =>
  text
    .split('\n')
    .slice(startLine - 1, endLine)
    .join('\n')
