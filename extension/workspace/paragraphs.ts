/**
 * Cuts text of no known grammar by what its layout says: blank lines part paragraphs, and rows that are indented deeper belong to
 * the row above them. It is also the last resort inside code, where one token is longer than a unit may be.
 */
import type { Unit } from '../protocol/types'
import { type Lines, type Size } from './lines'
import { type Atom, fewLines, mergeLimit, pack, wholeLimit } from './pack'

/** A cut inside an indented block costs this per level, and this more where no blank line invites it. */
const levelCost = 0.5
const unseparatedCost = 0.4

const underline = /^([=\-~^"'`#*+.:_])\1{2,}\s*$/
/** Between a heading and its text: worse than a stretch more. */
const headingCost = 1.5

/** Rows nested deeper than this are cut anywhere. */
const deepest = 30

interface Block extends Atom {
  /** A block with a body is not merged with its neighbours. */
  readonly hasBody: boolean
}

/** The rows `from..to` as atoms that fit `limit` wherever a single row does. */
export function textAtoms(lines: Lines, from: number, to: number, limit: Size = wholeLimit): Atom[] {
  return blocks(lines, from, to, limit, 0)
}

function blocks(lines: Lines, from: number, to: number, limit: Size, depth: number): Block[] {
  const rows: number[] = []
  for (let row = from; row <= to; row++) if (!lines.isBlank(row)) rows.push(row)
  if (rows.length === 0) return []
  if (depth > deepest) return rows.map((row) => ({ start: row, end: row, cost: depth * levelCost, hasBody: false }))

  const base = rows.reduce((least, row) => Math.min(least, lines.indent(row)), Infinity)
  // Paragraphs first; only one that is too long is cut where a row has a body.
  const paragraphs = partition(rows, (at) => startsParagraph(lines, rows, at, base))
  return paragraphs.flatMap((paragraph): Block[] => {
    const whole = toBlock(lines, paragraph, base, depth)
    if (lines.fits(whole.start, whole.end, limit)) return [whole]
    const parts = partition(paragraph, (at) => startsBlock(lines, paragraph, at, base))
    return parts.flatMap((part): Block[] => {
      const block = toBlock(lines, part, base, depth)
      return lines.fits(block.start, block.end, limit) ? [block] : splitBlock(lines, block, limit, depth, base)
    })
  })
}

/** Rows that have text in stretches; the first starts one, and so does each for which `starts` holds. */
function partition(rows: readonly number[], starts: (at: number) => boolean): number[][] {
  const parts: number[][] = []
  for (const [at, row] of rows.entries()) {
    if (at === 0 || starts(at)) parts.push([row])
    else parts.at(-1)?.push(row)
  }
  return parts
}

function toBlock(lines: Lines, rows: readonly number[], base: number, depth: number): Block {
  const start = rows[0] ?? 0
  const hasBody = rows.some((row) => lines.indent(row) > base)
  return { start, end: rows.at(-1) ?? start, cost: depth * levelCost + separation(lines, start), hasBody }
}

function startsParagraph(lines: Lines, rows: readonly number[], at: number, base: number): boolean {
  const row = rows[at] ?? 0
  return lines.indent(row) === base && !lines.isClosing(row) && (rows[at - 1] ?? row) < row - 1
}

/** Whether the row opens a block: it is at the outer edge, and a body before it or behind it sets it apart. */
function startsBlock(lines: Lines, rows: readonly number[], at: number, base: number): boolean {
  const row = rows[at] ?? 0
  const before = rows[at - 1] ?? row
  const after = rows[at + 1]
  if (lines.indent(row) !== base || lines.isClosing(row)) return false
  const hasBody = after === row + 1 && lines.indent(after) > base
  return hasBody || lines.indent(before) > base || lines.isClosing(before)
}

/** A block that is too long: what stands before its first deeper row, then its body; row by row when nothing is deeper. */
function splitBlock(lines: Lines, block: Block, limit: Size, depth: number, base: number): Block[] {
  const { start: from, end: to, cost } = block
  let body = from
  while (body <= to && (lines.isBlank(body) || lines.indent(body) <= base)) body++
  if (body > to || body === from) {
    const rows: Block[] = []
    for (let row = from; row <= to; row++) {
      const before = row === from ? cost : depth * levelCost + 1 + separation(lines, row)
      if (!lines.isBlank(row)) rows.push({ start: row, end: row, cost: before, hasBody: false })
    }
    return rows
  }
  const head = lines.lastTextRow(from, body - 1)
  const heads = lines.fits(from, head, limit)
    ? [{ start: from, end: head, cost, hasBody: false }]
    : splitBlock(lines, { ...block, end: head }, limit, depth, base)
  // Rows at the outer edge behind the body (closing brackets) stay with its last block.
  let end = to
  while (end > body && lines.indent(end) <= base) end--
  const inner = blocks(lines, body, lines.lastTextRow(body, end), limit, depth + 1)
  const [first] = inner
  // The row that opens a body stays with the body's first block.
  if (heads.length === 1 && first !== undefined && lines.fits(from, first.end, limit)) {
    heads.pop()
    inner[0] = { ...first, start: from, cost }
  }
  const tail = blocksBehind(lines, end + 1, to, limit, depth + 1)
  return [...heads, ...inner, ...tail]
}

function blocksBehind(lines: Lines, from: number, to: number, limit: Size, depth: number): Block[] {
  const rows: Block[] = []
  // A cut right before a closing row leaves it alone, so it costs as much as two stretches.
  for (let row = from; row <= to; row++) {
    if (!lines.isBlank(row)) rows.push({ start: row, end: row, cost: depth * levelCost + 2, hasBody: false })
  }
  return lines.fits(from, to, limit) && rows.length > 0
    ? [{ start: from, end: to, cost: depth * levelCost + 2, hasBody: false }]
    : rows
}

function separation(lines: Lines, row: number): number {
  if (row === 0 || !lines.isBlank(row - 1)) return unseparatedCost
  // An underlined heading (reStructuredText, plain text) stays with what follows.
  return underline.test(lines.row(lines.lastTextRow(0, row - 1))) ? headingCost : 0
}

/** Units of `from..to`: paragraphs merged, blocks with a body of more than a few lines on their own. */
export function cutText(lines: Lines, from = 0, to = lines.count - 1): Unit[] {
  const starts: number[] = []
  let run: Block[] = []
  const flush = (): void => {
    for (const group of pack(lines, run, mergeLimit)) starts.push(group[0]?.start ?? from)
    run = []
  }
  for (const block of blocks(lines, from, to, wholeLimit, 0)) {
    if (block.hasBody && block.end - block.start + 1 > fewLines) {
      flush()
      starts.push(block.start)
    } else {
      run.push(block)
    }
  }
  flush()
  return starts.map((start, at) => ({
    startLine: (at === 0 ? from : start) + 1,
    endLine: starts[at + 1] ?? to + 1,
    kind: 'text',
    symbol: '',
  }))
}
