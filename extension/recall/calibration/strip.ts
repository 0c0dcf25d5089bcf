/**
 * Takes the documentation out of a source text. Lines that held nothing else go, every other line stays as it was, and each
 * definition knows where it stands afterwards.
 */
import { Grammars, type Warn } from '../../workspace/parser'
import { findDocumentation, type Removal } from './documentation'
import { languageOf, languages } from './languages'
import { questionOf } from './question-text'

export interface StrippedDefinition {
  readonly symbol: string
  readonly role: 'function' | 'type' | 'other'
  /** 1-based and inclusive, in the stripped text. */
  readonly startLine: number
  readonly endLine: number
  /** What the documentation asks; only of functions with a body that stand in no other function. */
  readonly question: string | undefined
}

export interface StrippedFile {
  readonly text: string
  readonly definitions: readonly StrippedDefinition[]
}

interface Cut {
  readonly text: string
  /** For every line of the original (from 0) how many lines are kept up to and with it. */
  readonly kept: readonly number[]
}

function cut(text: string, removals: readonly Removal[]): Cut {
  const sorted = removals.toSorted((a, b) => a.startIndex - b.startIndex)
  const kept: number[] = []
  const lines: string[] = []
  let at = 0
  let start = 0
  for (const line of text.split('\n')) {
    const end = start + line.length
    let rest = ''
    let from = start
    let touched = false
    for (let removal = sorted[at]; removal !== undefined && removal.startIndex < end + 1; removal = sorted[at]) {
      if (removal.startIndex >= end && removal.endIndex > removal.startIndex && line.length > 0) break
      touched = true
      rest += text.slice(from, Math.max(from, removal.startIndex))
      if (removal.startIndex >= start) rest += removal.replacement
      from = Math.min(end, removal.endIndex)
      if (removal.endIndex > end) break
      at++
    }
    rest += text.slice(from, end)
    if (!touched || rest.trim() !== '') lines.push(touched ? rest.replace(/[ \t]+$/, '') : line)
    kept.push(lines.length)
    start = end + 1
  }
  return { text: lines.join('\n'), kept }
}

function lineStarts(text: string): (index: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (index) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= index) low = middle
      else high = middle - 1
    }
    return low
  }
}

const grammars = new Grammars()

/**
 * A file of a language without rules comes back as it is, and so does one that cannot be parsed; `warn` then hears why. With
 * `keepDocumentation` only the definitions are of interest.
 */
export async function stripFile(
  file: string,
  text: string,
  options: { readonly keepDocumentation?: boolean; readonly warn?: Warn } = {},
): Promise<StrippedFile> {
  const { warn = () => undefined } = options
  const language = languageOf(file)
  if (language === undefined) return { text, definitions: [] }
  const found = await grammars.withTree(
    language,
    text,
    ({ tree }) => findDocumentation(tree.rootNode, language),
    (message) => warn(`${file}: asks nothing (${message})`),
  )
  if (found === null) return { text, definitions: [] }
  const { definitions, removals } = found
  const stripped = cut(text, options.keepDocumentation === true ? [] : removals)
  const lineOf = lineStarts(text)
  return {
    text: stripped.text,
    definitions: definitions.map((definition) => {
      const asks =
        definition.role === 'function' &&
        definition.name !== '' &&
        definition.hasBody &&
        !definition.nested &&
        !definition.inTests
      const question =
        asks && definition.documentation !== undefined
          ? questionOf(definition.documentation, language, languages[language].form, definition.name)
          : undefined
      const before = lineOf(definition.startIndex) - 1
      const startLine = (before < 0 ? 0 : (stripped.kept[before] ?? 0)) + 1
      const endLine = Math.max(startLine, stripped.kept[lineOf(Math.max(0, definition.endIndex - 1))] ?? 0)
      return { symbol: definition.symbol, role: definition.role, startLine, endLine, question }
    }),
  }
}
