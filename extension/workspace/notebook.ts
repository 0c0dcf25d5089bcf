/**
 * Cuts a Jupyter notebook by its cells, as ranges of rows of the JSON file that it is: what is cited exists on disk. The scanner
 * follows only strings and brackets, so a damaged notebook is cut as far as its brackets go.
 */
import type { Unit } from '../protocol/types'
import type { Lines } from './lines'
import { pack, wholeLimit } from './pack'
import { cutText, textAtoms } from './paragraphs'

/** Units of a notebook; null when no cell begins on a row of its own, so that it has to be cut as text. */
export function cutNotebook(lines: Lines): Unit[] | null {
  const cells = cellRows(lines)
  const first = cells[0]
  const last = cells.at(-1)
  if (first === undefined || last === undefined) return null
  // Behind the cells come metadata, or nothing.
  const rest = last.end + 1
  const hasRest = rest < lines.count && !lines.isBlank(lines.lastTextRow(rest, lines.count - 1))
  if (!hasRest) last.end = lines.count - 1
  const units: Unit[] = []
  for (const [at, cell] of cells.entries()) {
    // What stands before the first cell and between cells is punctuation.
    const start = at === 0 ? 0 : cell.start
    const end = (cells[at + 1]?.start ?? last.end + 1) - 1
    const symbol = `cell ${at + 1}`
    const starts = lines.fits(start, end, wholeLimit)
      ? [start]
      : pack(lines, textAtoms(lines, start, end), wholeLimit).map((group) => group[0]?.start ?? start)
    for (const [part, row] of starts.entries()) {
      units.push({
        startLine: (part === 0 ? start : row) + 1,
        endLine: starts[part + 1] ?? end + 1,
        kind: 'cell',
        symbol,
      })
    }
  }
  return hasRest ? [...units, ...cutText(lines, rest)] : units
}

/** The cells that some lines of a notebook's file belong to, as [first, end); undefined where it is none or they lie behind its cells. */
export function cellsAt(
  text: string,
  startLine: number,
  endLine: number,
): { readonly first: number; readonly end: number } | undefined {
  const cells = cellRows({ text })
  // Punctuation before a cell belongs to it (cutNotebook).
  const first = cells.findIndex(({ end }) => end >= startLine - 1)
  if (first < 0) return undefined
  const after = cells.findIndex(({ start }, i) => i > first && start > endLine - 1)
  return { first, end: after < 0 ? cells.length : after }
}

/** The rows of each object in the top-level array `cells`; cells that share a row are joined. */
function cellRows(lines: Pick<Lines, 'text'>): { start: number; end: number }[] {
  const { text } = lines
  const cells: { start: number; end: number }[] = []
  let row = 0
  let depth = 0
  let key = ''
  let inCells = false
  let start = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charAt(at)) {
      case '\n':
        row++
        break
      case '"': {
        const end = stringEnd(text, at)
        // A name is text before a colon; of values only the one behind `"cells":` matters, and it is no string.
        if (depth === 1) key = text.slice(at, end + 1)
        at = end
        break
      }
      case '[':
      case '{':
        if (depth === 1 && text[at] === '[' && key === '"cells"') inCells = true
        if (depth === 2 && inCells) start = row
        depth++
        break
      case ']':
      case '}': {
        depth--
        if (depth <= 1) inCells = false
        if (depth !== 2 || !inCells) break
        const previous = cells.at(-1)
        if (previous !== undefined && previous.end >= start) previous.end = row
        else cells.push({ start, end: row })
        break
      }
      default:
    }
  }
  return cells
}

/** The closing quote; strings of JSON never pass a line end, so a damaged one ends there. */
function stringEnd(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === '"') return at
    else if (char === '\n') return at - 1
  }
  return text.length
}
