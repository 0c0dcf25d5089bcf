/**
 * Cuts a parsed file into units. A definition that fits stays whole; a longer one becomes what stands before, between and
 * behind the definitions inside it, which are cut in turn. What stands between definitions is packed from whole statements.
 */
import type { Unit, UnitKind } from '../protocol/types'
import { cutCosts, type CutCosts, strongSeam } from './boundaries'
import { type Definition, definitions } from './definitions'
import type { Lines, Size } from './lines'
import { type Atom, fewLines, mergeLimit, pack, smallClassLimit, wholeLimit } from './pack'
import { textAtoms } from './paragraphs'
import type { Parsed } from './parser'
import { joinSymbols } from './symbols'

/** A cut inside a token (a long string, a block comment) costs this more than one between statements. */
const insideTokenCost = 2

/** A small CSS rule or INI section merges up to half of what a merged unit holds: unlike functions they mean little alone. */
const smallSection: Size = { lines: mergeLimit.lines / 2, chars: mergeLimit.chars / 2 }

/** What is joined to its neighbour over a strong seam. */
const shortEnough: Size = { lines: 5, chars: mergeLimit.chars / 2 }

interface Piece extends Atom {
  readonly definition?: Definition
}

/** Where a unit starts; it ends where the next one does. */
interface Start {
  readonly row: number
  readonly kind: UnitKind
  readonly symbol: string
}

/** What is cut: a definition, or the whole file. */
interface Region {
  readonly kind: Definition['kind'] | 'file'
  readonly symbol: string
  readonly start: number
  readonly end: number
  readonly children: readonly Definition[]
}

export function cutCode(parsed: Parsed, lines: Lines): Unit[] {
  const file: Region = {
    kind: 'file',
    symbol: '',
    start: 0,
    end: lines.count - 1,
    children: definitions(parsed, lines),
  }
  const cutter = new Cutter(lines, cutCosts(parsed.tree, lines, owners(file, lines)))
  cutter.cut(file)
  return toUnits(cutter.starts, lines)
}

function isWhole(definition: Definition, lines: Lines): boolean {
  const hasMembers = definition.children.length > 0 && (definition.kind === 'class' || definition.kind === 'section')
  return lines.fits(definition.start, definition.end, hasMembers ? smallClassLimit : wholeLimit)
}

/** How much a unit of a region's statements holds: parts of one long function or list of fields may be as long as a whole one. */
function limitOf({ kind, children }: Region): Size {
  const isOneThing = kind === 'function' || kind === 'method' || (kind !== 'file' && children.length === 0)
  return isOneThing ? wholeLimit : mergeLimit
}

/** See cutCosts: a number for each whole definition, and one for each gap. */
function owners(file: Region, lines: Lines): Int32Array {
  const owner = new Int32Array(lines.count)
  let stretches = 0
  const mark = (region: Region): void => {
    let from = region.start
    for (const child of region.children) {
      owner.fill(-++stretches, from, child.start)
      if (isWhole(child, lines)) owner.fill(++stretches, child.start, child.end + 1)
      else mark(child)
      from = child.end + 1
    }
    owner.fill(-++stretches, from, region.end + 1)
  }
  mark(file)
  return owner
}

class Cutter {
  readonly starts: Start[] = []

  constructor(
    private readonly lines: Lines,
    private readonly costs: CutCosts,
  ) {}

  cut(region: Region): void {
    const limit = limitOf(region)
    let run: Piece[] = []
    let isFirst = true
    const flush = (): void => {
      this.place(region, pack(this.lines, run, limit), isFirst)
      run = []
      isFirst = false
    }
    let from = region.start
    for (const child of region.children) {
      const isHead = region.kind === 'class' && from === region.start
      from = this.close(run, from, child.start - 1)
      run.push(...(isHead ? this.head(from, child.start - 1) : this.gap(from, child.start - 1)))
      from = child.end + 1
      if (isWhole(child, this.lines) && this.isSmall(child)) {
        run.push({ start: child.start, end: child.end, cost: this.costs.get(child.start) ?? 0, definition: child })
      } else {
        flush()
        if (isWhole(child, this.lines)) this.starts.push({ row: child.start, kind: child.kind, symbol: child.symbol })
        else this.cut(child)
      }
    }
    from = this.close(run, from, region.end)
    run.push(...this.gap(from, region.end))
    flush()
  }

  /** Gives rows that only close something to what stands before them, and returns the first row behind them. */
  private close(run: Piece[], from: number, to: number): number {
    const piece = run.at(-1)
    const start = piece?.start ?? this.starts.at(-1)?.row
    let next = from
    let row = from
    while (row <= to && start !== undefined && (this.lines.isBlank(row) || this.lines.isClosing(row))) {
      if (!this.lines.fits(start, row, wholeLimit)) break
      if (!this.lines.isBlank(row)) next = row + 1
      row++
    }
    if (piece !== undefined && next > from) run[run.length - 1] = { ...piece, end: next - 1 }
    return next
  }

  /** What stands before the first member is one piece if it can be: a signature without its documentation finds nothing. */
  private head(from: number, to: number): Piece[] {
    return pack(this.lines, this.gap(from, to), wholeLimit).flatMap((group) => {
      const [first] = group
      return first === undefined ? [] : { ...first, end: group.at(-1)?.end ?? first.end }
    })
  }

  private isSmall(definition: Definition): boolean {
    const limit = definition.kind === 'section' ? smallSection : { lines: fewLines, chars: mergeLimit.chars }
    return this.lines.fits(definition.start, definition.end, limit)
  }

  /** The statements of `from..to`; one that is longer than a unit and cannot be cut by syntax is cut by layout. */
  private gap(from: number, to: number): Piece[] {
    const atoms: Atom[] = []
    let start = -1
    let cost = 0
    const close = (end: number): void => {
      if (start < 0) return
      const last = this.lines.lastTextRow(start, end)
      if (this.lines.fits(start, last, wholeLimit)) atoms.push({ start, end: last, cost })
      else {
        for (const [at, atom] of textAtoms(this.lines, start, last).entries()) {
          atoms.push({ ...atom, cost: at === 0 ? cost : atom.cost + insideTokenCost })
        }
      }
    }
    for (let row = from; row <= to; row++) {
      if (this.lines.isBlank(row)) continue
      const here = this.costs.get(row)
      if (start >= 0 && here === undefined) continue
      close(row - 1)
      start = row
      cost = here ?? 0
    }
    close(to)
    return this.fuse(atoms)
  }

  /** Joins what says little alone to its neighbour: a comment or an opening line to what follows, closing brackets to what was before. */
  private fuse(atoms: readonly Atom[]): Atom[] {
    const fused: Atom[] = []
    for (const atom of atoms) {
      const previous = fused.at(-1)
      const isStrong = previous !== undefined && atom.cost >= strongSeam
      if (isStrong && this.isShort(previous, atom) && this.lines.fits(previous.start, atom.end, wholeLimit)) {
        fused[fused.length - 1] = { ...previous, end: atom.end }
      } else {
        fused.push(atom)
      }
    }
    return fused
  }

  private isShort(a: Atom, b: Atom): boolean {
    return [a, b].some(({ start, end }) => this.lines.fits(start, end, shortEnough))
  }

  private place(region: Region, groups: readonly (readonly Piece[])[], isFirst: boolean): void {
    let isHead = isFirst && region.kind === 'class'
    for (const [at, group] of groups.entries()) {
      const row = group[0]?.start
      if (row === undefined) continue
      const inside = group.flatMap(({ definition }) => definition ?? [])
      isHead &&= at === 0 || inside.length === 0
      this.starts.push({ row, ...describe(region, group, inside, isFirst && at === 0, isHead) })
    }
  }
}

function describe(
  region: Region,
  group: readonly Piece[],
  inside: readonly Definition[],
  isFirst: boolean,
  isHead: boolean,
): { kind: UnitKind; symbol: string } {
  const symbols = inside.map(({ symbol }) => symbol)
  const [first] = inside
  switch (region.kind) {
    case 'function':
    case 'method':
      return { kind: region.kind, symbol: region.symbol }
    case 'section':
      return { kind: 'section', symbol: isFirst || first === undefined ? region.symbol : joinSymbols(symbols) }
    case 'class':
      if (isHead) return { kind: 'head', symbol: joinSymbols([region.symbol, ...symbols]) }
      break
    case 'file':
  }
  if (first === undefined) return { kind: 'statements', symbol: region.symbol }
  const isUniform = inside.length === group.length && inside.every(({ kind }) => kind === first.kind)
  return { kind: isUniform ? first.kind : 'statements', symbol: joinSymbols(symbols) }
}

/** Starts to units: rows that only close something go to the unit before, blank rows too, and the first unit has all before it. */
function toUnits(starts: readonly Start[], lines: Lines): Unit[] {
  const kept: Start[] = []
  for (const [at, start] of starts.entries()) {
    const end = (starts[at + 1]?.row ?? lines.count) - 1
    const previous = kept.at(-1)
    const joins =
      previous !== undefined && onlyCloses(start.row, end, lines) && lines.fits(previous.row, end, wholeLimit)
    if (!joins) kept.push(start)
  }
  return kept.map(({ row, kind, symbol }, at) => ({
    startLine: (at === 0 ? 0 : row) + 1,
    endLine: kept[at + 1]?.row ?? lines.count,
    kind,
    symbol,
  }))
}

function onlyCloses(from: number, to: number, lines: Lines): boolean {
  for (let row = from; row <= to; row++) if (!lines.isBlank(row) && !lines.isClosing(row)) return false
  return true
}
