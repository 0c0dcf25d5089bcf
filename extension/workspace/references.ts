/**
 * What a file defines, imports and calls, from the same syntax tree as its units. Recall uses it to find a unit's neighbours:
 * names are as written, so who is meant is for the caller to decide.
 */
import { bareDefinitions, type Definition } from './definitions'
import type { Lines } from './lines'
import type { Parsed } from './parser'

export interface NamedLine {
  /** Definitions: the qualified symbol. Calls: the last part of the called name. */
  readonly name: string
  /** 1-based. */
  readonly line: number
}

export interface ImportLine {
  /** As the language writes it, without quotes: `./util`, `os.path`, `stdio.h`, `crate::memory`. */
  readonly module: string
  readonly line: number
}

export interface References {
  readonly definitions: readonly NamedLine[]
  readonly imports: readonly ImportLine[]
  readonly calls: readonly NamedLine[]
}

export const noReferences: References = { definitions: [], imports: [], calls: [] }

export function findReferences(parsed: Parsed, lines: Lines): References {
  const imports: ImportLine[] = []
  const calls: NamedLine[] = []
  for (const { captures } of parsed.matches('references')) {
    for (const { name: capture, node } of captures) {
      const line = node.startPosition.row + 1
      const source = parsed.text.slice(node.startIndex, node.endIndex)
      if (capture === 'import') imports.push({ module: moduleName(source), line })
      else if (capture === 'call') calls.push({ name: source, line })
    }
  }
  return { definitions: flatten(bareDefinitions(parsed, lines)), imports, calls }
}

/** Definitions without a name of their own carry the symbol of what encloses them, and are not listed. */
function flatten(all: readonly Definition[], outer = ''): NamedLine[] {
  return all.flatMap(({ symbol, nameRow, children }) => [
    ...(symbol === outer ? [] : [{ name: symbol, line: nameRow + 1 }]),
    ...flatten(children, symbol),
  ])
}

function moduleName(source: string): string {
  return source
    .replace(/^['"`<]|['"`>;]$/g, '')
    .replace(/\s+/g, ' ')
    .trim()
}
