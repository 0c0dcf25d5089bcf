/**
 * Grammars and their queries, loaded once when a file first needs them, and parsing within bounds of size and time. Nothing here
 * throws at its caller: what fails is null and a warning, and the file is cut as text.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Language, Parser, Query, type QueryMatch, type Tree } from 'web-tree-sitter'
import { type GrammarLanguage, queryFiles } from './languages'

/** What Node has and its types lack. */
const webAssembly = (globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } })
  .WebAssembly

export type Warn = (message: string) => void

/** A larger file is not parsed: its tree takes about fifty times its size in memory that WebAssembly never gives back. */
const longestText = 4_000_000

/**
 * Parsing runs at about 3 MB/s; a file that takes fifty times longer is not source code (unclosed brackets by the ten
 * thousand make queries quadratic). A generous bound, since a slow machine must cut a file as a fast one does.
 */
function patience(text: string): number {
  return 3000 + text.length / 60
}

/**
 * V8 spends 8 to 30 s in the background on optimising one function of PowerShell's grammar, and no process ends before that
 * is done. Without its optimiser grammars parse 20 % slower, so it is switched off only where there is PowerShell.
 */
const withoutOptimiser = '--no-wasm-tier-up --no-wasm-dynamic-tiering'

/** Which query of a language: what cuts units, or what names imports and calls. */
export type QueryKind = 'units' | 'references'

export interface GrammarSource {
  /** Path of the grammar's .wasm file. */
  wasm(language: GrammarLanguage): string
  /** Text of a query file of syntaxes/. */
  query(name: string): Promise<string>
}

/** The grammars of the installed package and the queries of this one; compiled code lies in out/extension/workspace. */
export const installedGrammars: GrammarSource = {
  wasm: (language) => require.resolve(`@vscode/tree-sitter-wasm/wasm/tree-sitter-${language}.wasm`),
  query: (name) => readFile(join(__dirname, '..', '..', '..', 'syntaxes', name), 'utf8'),
}

/** A parsed file. `tree` belongs to the caller of `withTree` only until its callback returns. */
export interface Parsed {
  readonly language: GrammarLanguage
  readonly text: string
  readonly tree: Tree
  matches(kind: QueryKind): QueryMatch[]
}

class OutOfTime extends Error {}

/** One grammar with its parser. Queries are compiled when they are first run: C++'s take longer than its parser to load. */
class Grammar {
  private readonly parser = new Parser()
  private readonly queries = new Map<QueryKind, Query>()

  constructor(
    private readonly id: GrammarLanguage,
    private readonly language: Language,
    private readonly sources: Readonly<Record<QueryKind, string>>,
  ) {
    this.parser.setLanguage(language)
  }

  parse(text: string): Parsed {
    const deadline = performance.now() + patience(text)
    const tree = this.parser.parse(text, null, { progressCallback: () => performance.now() > deadline })
    if (tree === null) {
      this.parser.reset()
      throw new OutOfTime('parsing took too long')
    }
    const found = new Map<QueryKind, QueryMatch[]>()
    const matches = (kind: QueryKind): QueryMatch[] => {
      const known = found.get(kind) ?? this.matches(kind, tree, text)
      found.set(kind, known)
      return known
    }
    return { language: this.id, text, tree, matches }
  }

  private matches(kind: QueryKind, tree: Tree, text: string): QueryMatch[] {
    let query = this.queries.get(kind)
    if (query === undefined) {
      query = new Query(this.language, this.sources[kind])
      this.queries.set(kind, query)
    }
    const deadline = performance.now() + patience(text)
    const matches = query.matches(tree.rootNode, { progressCallback: () => performance.now() > deadline })
    // A query that was stopped returns what it had found by then.
    if (performance.now() > deadline) throw new OutOfTime('reading the syntax tree took too long')
    return matches
  }
}

export class Grammars {
  private started: Promise<void> | undefined
  private readonly loaded = new Map<GrammarLanguage, Promise<Grammar>>()

  constructor(private readonly source: GrammarSource = installedGrammars) {}

  /**
   * Calls `use` with the parsed text and frees the tree behind it. Null when the grammar is missing, the text is too large or
   * took too long, or `use` itself failed on what it found; `warn` then hears why.
   */
  async withTree<T>(id: GrammarLanguage, text: string, use: (parsed: Parsed) => T, warn: Warn): Promise<T | null> {
    if (text.length > longestText) {
      warn(`${id}: not parsed, ${text.length} characters are more than ${longestText}`)
      return null
    }
    try {
      const parsed = (await this.grammar(id)).parse(text)
      try {
        return use(parsed)
      } finally {
        parsed.tree.delete()
      }
    } catch (error) {
      warn(`${id}: ${error instanceof Error ? error.message : String(error)}`)
      return null
    }
  }

  private grammar(id: GrammarLanguage): Promise<Grammar> {
    let grammar = this.loaded.get(id)
    if (grammar === undefined) {
      grammar = this.load(id)
      this.loaded.set(id, grammar)
    }
    return grammar
  }

  private async load(id: GrammarLanguage): Promise<Grammar> {
    this.started ??= Parser.init()
    await this.started
    const read = async (kind: QueryKind): Promise<string> =>
      (await Promise.all(queryFiles[id].map((name) => this.source.query(`${name}.${kind}.scm`)))).join('\n')
    const [wasm, units, references] = await Promise.all([
      readFile(this.source.wasm(id)),
      read('units'),
      read('references'),
    ])
    if (id === 'powershell') setFlagsFromString(withoutOptimiser)
    // Compiled at once (up to 0.2 s): a promise of it would wait for the optimiser to end its work on other grammars.
    return new Grammar(id, Language.loadSync(new webAssembly.Module(wasm)), { units, references })
  }
}
