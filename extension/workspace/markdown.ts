/**
 * Cuts Markdown by its headings. A section is named by its heading under those above it; fenced code, comments and front matter
 * hold no headings. Long sections are cut at paragraphs, and short ones under one heading merge.
 */
import type { Unit } from '../protocol/types'
import type { Lines } from './lines'
import { type Atom, fewLines, mergeLimit, pack, wholeLimit } from './pack'
import { textAtoms } from './paragraphs'
import { joinSymbols, qualify } from './symbols'

interface Section {
  readonly start: number
  end: number
  readonly symbol: string
  readonly outer: string
  /** Nothing but the heading itself. */
  isBare: boolean
}

interface Heading {
  readonly row: number
  readonly rows: number
  readonly level: number
  readonly title: string
}

/** A cut inside a fence costs more than any between paragraphs. */
const insideFenceCost = 2

export function cutMarkdown(lines: Lines): Unit[] {
  const fenced = fences(lines)
  const units: { row: number; symbol: string }[] = []
  let run: (Atom & { section: Section })[] = []
  const flush = (): void => {
    for (const group of pack(lines, run, mergeLimit)) {
      units.push({ row: group[0]?.start ?? 0, symbol: joinSymbols(group.map(({ section }) => section.symbol)) })
    }
    run = []
  }
  for (const section of sections(lines, fenced)) {
    const { start, end, symbol, outer } = section
    if (run.length > 0 && run[0]?.section.outer !== outer) flush()
    if (lines.fits(start, end, { lines: fewLines, chars: mergeLimit.chars })) {
      run.push({ start, end, cost: 0, section })
      continue
    }
    flush()
    for (const group of pack(lines, paragraphs(lines, start, end, fenced), wholeLimit)) {
      units.push({ row: group[0]?.start ?? start, symbol })
    }
  }
  flush()
  return units.map(({ row, symbol }, at) => ({
    startLine: (at === 0 ? 0 : row) + 1,
    endLine: units[at + 1]?.row ?? lines.count,
    kind: 'section',
    symbol,
  }))
}

/** What no heading can stand in: fenced code, front matter, HTML comments. 1 opens, 2 is inside. */
function fences(lines: Lines): Uint8Array {
  const fenced = new Uint8Array(lines.count)
  let until: RegExp | undefined
  for (let row = 0; row < lines.count; row++) {
    const text = lines.row(row)
    if (until !== undefined) {
      fenced[row] = 2
      if (until.test(text)) until = undefined
      continue
    }
    const fence = /^ {0,3}(?:[-*+>] |\d+[.)] )*\s*(`{3,}|~{3,})([^\n]*)$/m.exec(text)
    const marker = fence?.[1]
    if (marker !== undefined && !(marker.startsWith('`') && (fence?.[2] ?? '').includes('`'))) {
      until = new RegExp(`^[ \\t>]*${marker[0] ?? ''}{${marker.length},}\\s*$`)
    } else if (row === 0 && /^(?:---|\+\+\+)\s*$/.test(text)) {
      // A rule at the top that nothing closes is no front matter.
      const end = text.startsWith('-') ? /^(?:---|\.\.\.)\s*$/ : /^\+\+\+\s*$/
      if (closes(lines, end)) until = end
    } else if (/^\s*<!--/.test(text) && !text.includes('-->')) {
      until = /-->/
    }
    if (until !== undefined) fenced[row] = 1
  }
  return fenced
}

function closes(lines: Lines, end: RegExp): boolean {
  for (let row = 1; row < Math.min(lines.count, 200); row++) if (end.test(lines.row(row))) return true
  return false
}

function sections(lines: Lines, fenced: Uint8Array): Section[] {
  const all: Section[] = []
  const open: { level: number; symbol: string }[] = []
  for (const heading of headings(lines, fenced)) {
    while ((open.at(-1)?.level ?? 0) >= heading.level) open.pop()
    const outer = open.at(-1)?.symbol ?? ''
    const symbol = qualify(outer, heading.title, ' > ')
    close(lines, all, heading.row - 1)
    // A heading with nothing under it stays with the section that follows.
    const previous = all.at(-1)
    const start =
      previous?.isBare === true && previous.symbol === outer ? (all.pop()?.start ?? heading.row) : heading.row
    all.push({ start, end: heading.row + heading.rows - 1, symbol, outer, isBare: true })
    open.push({ level: heading.level, symbol })
  }
  const first = all[0]?.start ?? lines.count
  const preamble = lines.lastTextRow(0, first - 1)
  if (first > 0 && !lines.isBlank(preamble)) {
    all.unshift({ start: 0, end: preamble, symbol: '', outer: '', isBare: false })
  }
  close(lines, all, lines.count - 1)
  return all
}

function close(lines: Lines, all: readonly Section[], end: number): void {
  const section = all.at(-1)
  if (section === undefined) return
  const last = lines.lastTextRow(section.start, end)
  section.isBare = last <= section.end
  section.end = Math.max(last, section.end)
}

function* headings(lines: Lines, fenced: Uint8Array): Generator<Heading> {
  for (let row = 0; row < lines.count; row++) {
    if (fenced[row] !== 0) continue
    const text = lines.row(row)
    const atx = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/.exec(text.trimEnd())
    if (atx !== null) {
      yield { row, rows: 1, level: atx[1]?.length ?? 1, title: title(atx[2] ?? '') }
      continue
    }
    const under =
      row + 1 < lines.count && fenced[row + 1] === 0 ? /^ {0,3}(=+|-{2,})\s*$/.exec(lines.row(row + 1)) : null
    // Only the last line of a paragraph can be underlined, and a list, a table or a quote is none.
    if (
      under !== null &&
      /^ {0,3}[^\s>|*+-]/.test(text) &&
      (row === 0 || lines.isBlank(row - 1) || fenced[row - 1] !== 0)
    ) {
      yield { row, rows: 2, level: under[1]?.startsWith('=') === true ? 1 : 2, title: title(text) }
      row++
    }
  }
}

/** The words of a heading: without closing marks, emphasis, links and anchors. */
function title(text: string): string {
  return text
    .slice(0, 300)
    .replace(/[ \t]#+\s*$/, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]*>|[`*]|\{#[^}]*\}/g, '')
    .trim()
    .slice(0, 80)
}

function paragraphs(lines: Lines, from: number, to: number, fenced: Uint8Array): Atom[] {
  if (lines.fits(from, to, wholeLimit)) return [{ start: from, end: to, cost: 0 }]
  return textAtoms(lines, from, to, mergeLimit).map((atom) =>
    fenced[atom.start] === 2 ? { ...atom, cost: atom.cost + insideFenceCost } : atom,
  )
}
