/** Sections that are found in the code rather than told: entry points, main types, where to start, risks. */
import type { Unit } from '../../protocol/types'
import { inCode } from '../plain'
import { cite, type Repository, type SummaryTools } from './types'

const entryNames = /(?:^|\/)(?:main|index|cli|app|server|__main__|manage|program|extension|mod|lib)\.\w+$/i
const entryLines: readonly RegExp[] = [
  /^if __name__ == ['"]__main__['"]/,
  /^#!.*\b(?:node|python|bash|sh|ruby|php)/,
  /^func main\(\)/,
  /^\s*(?:pub )?(?:async )?fn main\(/,
  /\b(?:public )?static (?:async )?(?:void|int|Task) [Mm]ain\s*\(/,
  /^int main\s*\(/,
  /^export (?:async )?function activate\(/,
]
const mostEntries = 12
/** Characters of a line that is shown. */
const longestLine = 100

/** Files that something else starts: by a line that says so, or else by their names at the top of the tree. */
export async function entryPoints({ outline, folder }: Repository, tools: SummaryTools): Promise<string> {
  const deepest = 2 + folder.split('/').length
  const found: { file: string; line: number; text: string; sure: boolean }[] = []
  for (const { file } of outline) {
    if (isTest(file)) continue
    const lines = (await tools.text(file)).split('\n')
    const at = lines.findIndex((line) => entryLines.some((pattern) => pattern.test(line)))
    if (at >= 0) found.push({ file, line: at + 1, text: (lines[at] ?? '').trim(), sure: true })
    else if (entryNames.test(file) && file.split('/').length <= deepest)
      found.push({ file, line: 1, text: '', sure: false })
  }
  found.sort((a, b) => Number(b.sure) - Number(a.sure) || a.file.split('/').length - b.file.split('/').length)
  if (found.length === 0) return 'No file says that it is started; this looks like a library.'
  return found
    .slice(0, mostEntries)
    .map(
      ({ file, line, text }) =>
        `- ${cite({ file, startLine: line, endLine: line })}${text === '' ? '' : `: ${inCode(text.slice(0, longestLine))}`}`,
    )
    .join('\n')
}

const mostTypes = 8

export interface MainType extends Unit {
  readonly file: string
  /** How many lines elsewhere call it or what is in it. */
  readonly uses: number
}

/** Classes and what is like them, by how often their names are called elsewhere. */
export function mainTypes({ outline, references }: Repository): MainType[] {
  const calls = new Map<string, Set<string>>()
  for (const [file, { calls: own }] of references)
    for (const { name, line } of own) {
      const places = calls.get(name) ?? new Set()
      calls.set(name, places.add(`${file}:${line}`))
    }
  const types = new Map<string, MainType>()
  for (const { file, units } of outline) {
    if (isTest(file)) continue
    const classes = new Set(
      units.flatMap(({ symbol, kind }) => (kind === 'class' || kind === 'head' ? names(symbol) : [])),
    )
    for (const unit of units)
      for (const symbol of names(unit.symbol)) {
        const [top = ''] = symbol.split('.')
        const isClass = unit.kind === 'class' || unit.kind === 'head' || classes.has(top) || symbol.includes('.')
        if (top === '' || !isClass) continue
        const key = `${file} ${top}`
        const elsewhere = [...(calls.get(symbol.split('.').at(-1) ?? '') ?? [])].filter(
          (place) => !place.startsWith(`${file}:`),
        )
        const known = types.get(key)
        const first = known && known.startLine <= unit.startLine ? known : unit
        types.set(key, {
          file, kind: 'class', symbol: top, startLine: first.startLine,
          endLine: Math.max(known?.endLine ?? 0, unit.endLine),
          uses: (known?.uses ?? 0) + elsewhere.length,
        }) // prettier-ignore
      }
  }
  return [...types.values()]
    .sort((a, b) => b.uses - a.uses || b.endLine - b.startLine - (a.endLine - a.startLine))
    .slice(0, mostTypes)
}

const names = (symbol: string): string[] => symbol.split(', ').filter(Boolean)

/** Where the code is that common changes begin at: recall alone, so every line is a place and no word a guess. */
export async function commonChanges(tools: SummaryTools): Promise<string> {
  const changes: readonly (readonly [string, string])[] = [
    ['Add or change a setting', 'Where are settings, options or defaults defined and read?'],
    ['Add a command, a route or a public function', 'Where are commands, routes or the public interface registered?'],
    ['Change what is stored', 'Where is data saved to and loaded from disk or a database?'],
    ['Change how errors are handled', 'Where are errors raised and handled?'],
    ['Add a test', 'Where are the tests, and how is one written?'],
  ]
  const lines: string[] = []
  for (const [title, question] of changes) {
    const { units } = await tools.recall(question, 3)
    if (units.length > 0) lines.push(`- **${title}**: ${units.map((unit) => cite(unit)).join(', ')}`)
  }
  return lines.join('\n')
}

const mostMarks = 12

/** What may bite: notes that the authors left, very long definitions, and sources that no test names. */
export async function risks({ outline }: Repository, tools: SummaryTools): Promise<string> {
  const marks: string[] = []
  let count = 0
  for (const { file } of outline) {
    const lines = (await tools.text(file)).split('\n')
    lines.forEach((line, i) => {
      if (!/\b(?:TODO|FIXME|HACK|XXX)\b/.test(line)) return
      count++
      if (marks.length < mostMarks)
        marks.push(
          `  - ${cite({ file, startLine: i + 1, endLine: i + 1 })}: ${inCode(line.trim().slice(0, longestLine))}`,
        )
    })
  }
  const long = outline
    .flatMap(({ file, units }) => units.map((unit) => ({ file, ...unit })))
    .filter(({ kind, startLine, endLine }) => (kind === 'function' || kind === 'method') && endLine - startLine >= 80)
    .sort((a, b) => b.endLine - b.startLine - (a.endLine - a.startLine))
    .slice(0, 5)
  const tests = outline.filter(({ file }) => isTest(file))
  const parts: string[] = []
  if (count > 0) parts.push(`- ${count} notes of things left to do:\n${marks.join('\n')}`)
  if (long.length > 0) parts.push(`- The longest functions: ${long.map((unit) => cite(unit)).join(', ')}`)
  if (tests.length === 0) parts.push('- There are no tests among the files that were read.')
  return parts.length === 0 ? 'Nothing stands out.' : parts.join('\n')
}

const isTest = (file: string): boolean =>
  /(?:^|\/)(?:tests?|specs?|__tests__)\/|[._-](?:test|spec)\.\w+$|(?:^|\/)test_\w+\.py$/i.test(file)
