/**
 * What holds for the units of any text: each line in exactly one, none across a definition's edge, none too large where it can
 * be split. Edges are found by a second way that shares nothing with the queries: by node types, walking the whole tree.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import fc from 'fast-check'
import type { Node } from 'web-tree-sitter'
import { isGrammarLanguage, language } from '../../extension/workspace/languages'
import { wholeLimit } from '../../extension/workspace/pack'
import { Grammars } from '../../extension/workspace/parser'
import { cutUnits, unitsAndReferences } from '../../extension/workspace/units'
import type { Unit } from '../../extension/protocol/types'

const folder = join(__dirname, '../../../test/fixtures/units')
const fixtures = readdirSync(folder)
  .filter((file) => extname(file) !== '.golden')
  .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }))

/** Runs for each file, together some ten seconds; UNIT_RUNS=1000 for a long soak. */
const numRuns = Number(process.env['UNIT_RUNS'] ?? 12)

const definitionTypes = new Set(
  [
    'function_definition class_definition', // Python, shell, PHP, C++
    'function_declaration generator_function_declaration class_declaration abstract_class_declaration method_definition',
    'interface_declaration enum_declaration type_alias_declaration internal_module', // TypeScript
    'method_declaration type_spec', // Go
    'function_item struct_item enum_item trait_item impl_item macro_definition', // Rust
    'record_declaration constructor_declaration struct_declaration property_declaration', // Java, C#
    'trait_declaration', // PHP
    'method singleton_method class module', // Ruby
    'function_statement class_statement enum_statement class_method_definition', // PowerShell
    'rule_set media_statement keyframes_statement section', // CSS, INI
  ].flatMap((types) => types.split(' ')),
)

/** C's types are definitions only with a body. */
const typesWithBody = new Set(['class_specifier', 'struct_specifier', 'union_specifier', 'enum_specifier'])

/** What belongs to the definition inside. */
const wrapperTypes = /^(?:decorated_definition|template_declaration|export_statement|ambient_declaration)$/

interface Rows {
  start: number
  end: number
}

const grammars = new Grammars()

function unexpected(warning: string): never {
  throw new Error(warning)
}

/** Row ranges of definitions, and the rows of comments, attributes and decorators. */
async function edges(file: string, text: string): Promise<{ definitions: Rows[]; leading: Set<number> }> {
  const definitions: Rows[] = []
  const leading = new Set<number>()
  const id = language(file, text)
  if (!isGrammarLanguage(id)) return { definitions, leading }
  await grammars.withTree(
    id,
    text,
    ({ tree }) => {
      const pending: Node[] = [tree.rootNode]
      for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
        pending.push(...node.children)
        if (!node.isNamed) continue
        if (/comment|attribute|decorator/.test(node.type)) {
          for (let row = node.startPosition.row; row <= lastRow(node); row++) leading.add(row)
        } else if (definitionTypes.has(node.type) || (typesWithBody.has(node.type) && isNamedWithBody(node))) {
          definitions.push(withWrapper(node))
        }
      }
    },
    unexpected,
  )
  return { definitions, leading }
}

function isNamedWithBody(node: Node): boolean {
  return node.childForFieldName('body') !== null && node.childForFieldName('name') !== null
}

function withWrapper(node: Node): Rows {
  let outer = node
  while (outer.parent !== null && wrapperTypes.test(outer.parent.type)) outer = outer.parent
  return { start: outer.startPosition.row, end: lastRow(outer) }
}

function lastRow(node: Node): number {
  const { row, column } = node.endPosition
  return column === 0 && row > node.startPosition.row ? row - 1 : row
}

/** Definitions that share a row without one holding the other are one: units are whole rows. */
function joined(all: readonly Rows[]): Rows[] {
  const ranges: Rows[] = []
  const pending = [...all]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { start, end } = next
    const at = ranges.findIndex((other) =>
      other.start < start
        ? start <= other.end && other.end < end
        : start < other.start && other.start <= end && end < other.end,
    )
    const [crossed] = at < 0 ? [] : ranges.splice(at, 1)
    if (crossed === undefined) ranges.push(next)
    else pending.push({ start: Math.min(start, crossed.start), end: Math.max(end, crossed.end) })
  }
  return ranges
}

/** Rows that may stand on either side of an edge: they say nothing. */
function saysNothing(row: string): boolean {
  return /^\s*(?:[^\p{L}\p{N}_$@#"'`]*|(?:end|fi|done|esac)\b[\s);,]*|\s*[)\]};,\s]+(?:\/\/|#|\/\*).*|#endif.*|<\/.*>)$/u.test(
    row,
  )
}

function textRows(text: string): string[] {
  const rows = text.split('\n')
  if (rows.at(-1) === '') rows.pop()
  return rows
}

/** The rows of a range without those at its ends that say nothing. */
function trimmed({ start, end }: Rows, skip: (row: number) => boolean): Rows | undefined {
  let first = start
  let last = end
  while (first <= last && skip(first)) first++
  while (last >= first && skip(last)) last--
  return first <= last ? { start: first, end: last } : undefined
}

function rowsOfUnit({ startLine, endLine }: Unit): Rows {
  return { start: startLine - 1, end: endLine - 1 }
}

function checkCover(units: readonly Unit[], rows: readonly string[], text: string): void {
  if (text.trim() === '') {
    assert.deepEqual(units, [])
    return
  }
  let next = 1
  for (const { startLine, endLine } of units) {
    assert.equal(startLine, next)
    assert.ok(startLine <= endLine)
    next = endLine + 1
  }
  assert.equal(next, rows.length + 1)
}

function checkSize(units: readonly Unit[], rows: readonly string[]): void {
  const isBlank = (row: number): boolean => rows[row]?.trim() === ''
  for (const unit of units) {
    const range = trimmed(rowsOfUnit(unit), isBlank)
    assert.ok(range, 'a unit without text')
    const chars = rows.slice(range.start, range.end + 1).reduce((sum, row) => sum + row.length + 1, 0)
    const isSingle = range.start === range.end
    assert.ok(isSingle || range.end - range.start + 1 <= wholeLimit.lines, `${unit.startLine}: too many lines`)
    assert.ok(isSingle || chars <= wholeLimit.chars + 1, `${unit.startLine}: ${chars} characters`)
  }
}

async function checkEdges(units: readonly Unit[], rows: readonly string[], file: string, text: string): Promise<void> {
  const { definitions, leading } = await edges(file, text)
  const inert = (row: number): boolean => leading.has(row) || saysNothing(rows[row]?.trimEnd() ?? '')
  for (const definition of joined(definitions)) {
    const d = trimmed(definition, inert)
    if (d === undefined) continue
    for (const unit of units) {
      const whole = rowsOfUnit(unit)
      const u = trimmed(whole, inert)
      if (u === undefined) continue
      const apart = u.end < d.start || d.end < u.start
      const inside = definition.start <= u.start && u.end <= definition.end
      const holds = whole.start <= d.start && d.end <= whole.end
      const where = `${unit.startLine}-${unit.endLine} crosses the edge of ${definition.start + 1}-${definition.end + 1}`
      assert.ok(apart || inside || holds, where)
    }
  }
}

async function checkAll(file: string, text: string): Promise<void> {
  const rows = textRows(text)
  const units = await cutUnits(file, text, { warn: unexpected })
  checkCover(units, rows, text)
  checkSize(units, rows)
  await checkEdges(units, rows, file, text)
}

const garbage = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '{',
    '}',
    '(',
    ')',
    '"""',
    "'",
    '`',
    '/*',
    '*/',
    '<!--',
    '```',
    '#if',
    'end',
    'EOF',
    '\t',
    '\r',
    '\0',
    '\uFEFF',
  ),
  fc.constantFrom('x'.repeat(5000), 'f(a, '.repeat(1000), '🙂'.repeat(500), '  '.repeat(200) + 'x'),
)

type Edit = { at: number; drop: number; insert: string[]; glue: boolean }

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.nat(12),
    insert: fc.array(garbage, { maxLength: 2 }),
    glue: fc.boolean(),
  }),
  { maxLength: 4 },
)

function edited(text: string, all: readonly Edit[]): string {
  const rows = text.split('\n')
  for (const { at, drop, insert, glue } of all) {
    const row = Math.floor(at * rows.length)
    rows.splice(row, drop, ...insert)
    if (glue) rows.splice(row, 2, rows.slice(row, row + 2).join(' '))
  }
  return rows.join('\n')
}

describe('Units of any text', () => {
  for (const { file, text } of fixtures) {
    it(`keep to lines, sizes and edges in ${file}, however it is damaged`, async () => {
      await checkAll(file, text)
      await fc.assert(
        fc.asyncProperty(edits, fc.boolean(), async (all, crlf) => {
          const damaged = edited(text, all)
          await checkAll(file, crlf ? damaged.replaceAll('\n', '\r\n') : damaged)
        }),
        { numRuns },
      )
    })
  }

  const stretch = fc.record({
    from: fc.nat(fixtures.length - 1),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    rows: fc.nat(40),
  })

  it('keep to lines and sizes where languages are mixed', async () => {
    const mixture = fc.array(fc.oneof(stretch, garbage), { maxLength: 12 }).map((parts) =>
      parts
        .map((part) => {
          if (typeof part === 'string') return part
          const rows = fixtures[part.from]?.text.split('\n') ?? []
          const row = Math.floor(part.at * rows.length)
          return rows.slice(row, row + part.rows).join('\n')
        })
        .join('\n'),
    )
    const files = fc.constantFrom(...fixtures.map(({ file }) => file))
    await fc.assert(
      fc.asyncProperty(files, mixture, async (file, text) => checkAll(file, text)),
      { numRuns: 6 * numRuns },
    )
  })

  it('are the same whether references are asked for or not', async () => {
    for (const { file, text } of fixtures) {
      assert.deepEqual((await unitsAndReferences(file, text)).units, await cutUnits(file, text))
    }
  })
})
