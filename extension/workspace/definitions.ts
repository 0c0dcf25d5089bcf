/**
 * The definitions of a file as a tree of row ranges, from what the unit queries (syntaxes/*.units.scm) capture:
 * - `@function`, `@method`, `@class`, `@section`: a definition. Its name is `@name`, or the name inside a C `@declarator`, or
 *   a `name` property, or what stands before its block; `@receiver` (Go) qualifies it.
 * - `@prototype`: a function only if its declarator declares one.
 * - `@object`: a class if definitions are inside, otherwise nothing.
 * - `@expression`: a class without a name of its own; where a definition ends with it, it is that definition's body.
 * - `@scope`: only qualifies what is inside (namespaces).
 * - `@wrapper`: belongs to the one definition that it ends with (decorators, `export`, `template`, `const … =`).
 * - `@leading`: a comment or attribute; directly above a definition it belongs to it.
 */
import type { Node, QueryMatch } from 'web-tree-sitter'
import type { Lines } from './lines'
import type { Parsed } from './parser'
import { cleanName, joinSymbols, prelude, qualify } from './symbols'

export type DefinitionKind = 'function' | 'method' | 'class' | 'section'

/** Rows are 0-based and inclusive; siblings never share a row, and children lie inside. */
export interface Definition {
  readonly kind: DefinitionKind
  readonly symbol: string
  /** With leading comments and attributes. */
  readonly start: number
  readonly end: number
  /** Where the name stands. */
  readonly nameRow: number
  readonly children: readonly Definition[]
}

type Role = DefinitionKind | 'object' | 'expression' | 'scope' | 'wrapper'

interface Item {
  role: Role
  name: string
  nameRow: number
  from: number
  to: number
  start: number
  end: number
  children: Item[]
}

/** Deeper definitions are taken as neighbours of those at this depth; code that people wrote has about five levels. */
const deepest = 60

export function definitions(parsed: Parsed, lines: Lines): Definition[] {
  const leading = new Leading(lines)
  for (const { captures } of parsed.matches('units')) {
    for (const { name, node } of captures) if (name === 'leading') leading.add(node)
  }
  return settle(bareDefinitions(parsed, lines), 0, leading)
}

/** The same before they are fitted to rows: without what leads to them, and several may share a row. */
export function bareDefinitions(parsed: Parsed, lines: Lines): Definition[] {
  const items = parsed.matches('units').flatMap((match) => toItem(match, parsed, lines) ?? [])
  return resolve(nest(items, parsed.text), '', false, parsed.language === 'css' ? ' > ' : '.')
}

/** The last row of a node that has text: some grammars let nodes end behind the line end, or behind blank rows. */
export function endRow(node: Node, lines: Lines): number {
  const start = node.startPosition.row
  const { row, column } = node.endPosition
  return lines.lastTextRow(start, column === 0 && row > start ? row - 1 : row)
}

const roles: ReadonlySet<string> = new Set<Role>([
  'function',
  'method',
  'class',
  'section',
  'object',
  'expression',
  'scope',
  'wrapper',
])

function toItem(match: QueryMatch, { language, text }: Parsed, lines: Lines): Item | undefined {
  const node = new Map(match.captures.map((capture) => [capture.name, capture.node]))
  const captured = match.captures.find(({ name }) => roles.has(name) || name === 'prototype')
  if (captured === undefined) return undefined
  const role = (captured.name === 'prototype' ? 'function' : captured.name) as Role
  const whole = captured.node

  let nameNode = node.get('name')
  const declarator = node.get('declarator')
  if (declarator !== undefined) {
    const declared = declaredName(declarator, captured.name === 'prototype')
    if (declared === undefined) return undefined
    nameNode = declared
  }
  const source = (of: Node): string => text.slice(of.startIndex, of.endIndex)
  let name = match.setProperties?.['name'] ?? ''
  if (nameNode !== undefined) name = cleanName(language, source(nameNode))
  else if (role === 'section') name = prelude(source(whole))
  const receiver = node.get('receiver')
  if (receiver !== undefined) name = qualify(cleanName(language, source(receiver)), name, '.')
  return {
    role,
    name,
    nameRow: (nameNode ?? whole).startPosition.row,
    from: whole.startIndex,
    to: whole.endIndex,
    start: whole.startPosition.row,
    end: endRow(whole, lines),
    children: [],
  }
}

/** The name inside `*(&Ns::f<T>)(int)`; with `onlyFunctions` undefined when what is declared is no function. */
function declaredName(declarator: Node, onlyFunctions: boolean): Node | undefined {
  let isFunction = false
  let node: Node = declarator
  for (let depth = 0; depth < 20; depth++) {
    isFunction ||= node.type === 'function_declarator' || node.type === 'operator_cast'
    if (node.type === 'operator_cast') break
    // Reference and parenthesised declarators have no field for what they hold.
    const inner =
      node.childForFieldName('declarator') ??
      (/declarator$/.test(node.type) ? (node.namedChildren.at(-1) ?? null) : null)
    if (inner === null) break
    node = inner
  }
  return onlyFunctions && !isFunction ? undefined : node
}

/** Items by what encloses them; wrappers given to what they wrap. */
function nest(items: Item[], text: string): Item[] {
  const rank = (item: Item): number => (item.role === 'wrapper' ? 0 : 1)
  items.sort((a, b) => a.from - b.from || b.to - a.to || rank(a) - rank(b))
  const roots: Item[] = []
  const open: Item[] = []
  for (const item of items) {
    while (open.length > 0 && (open.at(-1)?.to ?? 0) < item.to) open.pop()
    // Patterns of a query may match one node twice (an arrow function as a value and as a property).
    const outer = open.at(-1)
    if (outer !== undefined && outer.role === item.role && outer.from === item.from && outer.to === item.to) continue
    ;(outer?.children ?? roots).push(item)
    if (open.length < deepest) open.push(item)
  }
  return unwrap(roots, text)
}

function unwrap(items: readonly Item[], text: string): Item[] {
  return items.flatMap((item) => {
    const children = unwrap(item.children, text)
    const [only] = children
    const endsItem = only !== undefined && children.length === 1 && /^[\s;)]*$/.test(text.slice(only.to, item.to))
    if (item.role === 'class' && endsItem && only.role === 'expression') return [{ ...item, children: only.children }]
    if (item.role !== 'wrapper') return [{ ...item, children }]
    return endsItem ? [{ ...only, from: item.from, to: item.to, start: item.start, end: item.end }] : children
  })
}

function resolve(items: readonly Item[], outer: string, inClass: boolean, separator: '.' | ' > '): Definition[] {
  return items.flatMap((item): Definition[] => {
    const symbol = qualify(outer, item.name, separator)
    const { start, end, nameRow, role } = item
    switch (role) {
      case 'wrapper':
        return resolve(item.children, outer, inClass, separator)
      case 'scope':
        return resolve(item.children, symbol, inClass, separator)
      case 'object': {
        const children = resolve(item.children, symbol, true, separator)
        return children.length === 0 ? [] : [{ kind: 'class', symbol, start, end, nameRow, children }]
      }
      case 'class':
      case 'expression':
      case 'section': {
        const kind = role === 'expression' ? 'class' : role
        return [{ kind, symbol, start, end, nameRow, children: resolve(item.children, symbol, true, separator) }]
      }
      case 'function':
      case 'method': {
        // void Ns::Class::method() outside its class says by its name that it is one.
        const kind = inClass || role === 'method' || item.name.includes('.') ? 'method' : 'function'
        return [{ kind, symbol, start, end, nameRow, children: resolve(item.children, symbol, false, separator) }]
      }
    }
  })
}

/** Gives definitions the comments above them, and joins neighbours that share a row. */
function settle(siblings: readonly Definition[], first: number, leading: Leading): Definition[] {
  const settled: Definition[] = []
  let free = first
  for (const definition of siblings) {
    const start = Math.min(definition.start, leading.above(definition.start, free))
    const previous = settled.at(-1)
    const next = { ...definition, start: Math.max(start, first) }
    if (previous !== undefined && previous.end >= next.start) settled[settled.length - 1] = join(previous, next)
    else settled.push(next)
    free = Math.max(free, definition.end + 1)
  }
  return settled.map((definition) => ({
    ...definition,
    children: settle(definition.children, definition.start, leading),
  }))
}

/** Two definitions on one row are one: units are ranges of rows. */
function join(a: Definition, b: Definition): Definition {
  return {
    kind: a.kind === 'class' || b.kind === 'class' ? 'class' : a.kind,
    symbol: joinSymbols([a.symbol, b.symbol]),
    start: a.start,
    end: Math.max(a.end, b.end),
    nameRow: a.nameRow,
    children: [...a.children, ...b.children].sort((x, y) => x.start - y.start),
  }
}

/** Comments and attributes that have their rows to themselves. */
class Leading {
  /** First row by last row. */
  private readonly startByEnd = new Map<number, number>()
  /** How many blank rows may follow, by last row, where any may: decorators always lead on, a documentation block over one. */
  private readonly reach = new Map<number, number>()

  constructor(private readonly lines: Lines) {}

  add(node: Node): void {
    const { row: start } = node.startPosition
    const end = endRow(node, this.lines)
    const { text } = this.lines
    const before = text.slice(this.lines.offset(start), node.startIndex)
    const behind = text.slice(node.endIndex, this.lines.offset(end + 1))
    if (/\S/.test(before) || /\S/.test(behind)) return
    const isAttribute = /attribute|decorator/.test(node.type)
    // Inner documentation of Rust speaks of what encloses it.
    if (!isAttribute && text.startsWith('//!', node.startIndex)) return
    this.startByEnd.set(end, start)
    if (isAttribute) this.reach.set(end, Infinity)
    else if (text.startsWith('/**', node.startIndex)) this.reach.set(end, 1)
  }

  /** The first row of what leads up to `row`, not above `first`. */
  above(row: number, first: number): number {
    let top = row
    for (;;) {
      let above = top - 1
      while (above > first && this.lines.isBlank(above)) above--
      if (top - 1 - above > (this.reach.get(above) ?? 0)) return top
      const start = this.startByEnd.get(above)
      if (start === undefined || start < first) return top
      top = start
    }
  }
}
