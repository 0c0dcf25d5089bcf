/** Definitions of a document as VS Code's own language support knows them: those that a person would ask about. */
import * as vscode from 'vscode'

export interface Definition {
  readonly symbol: string
  /** Lines of the whole definition, 1-based, the last one included. */
  readonly startLine: number
  readonly endLine: number
  /** Where its name stands. */
  readonly name: vscode.Range
}

const kinds = new Set([
  vscode.SymbolKind.Class,
  vscode.SymbolKind.Function,
  vscode.SymbolKind.Method,
  vscode.SymbolKind.Interface,
  vscode.SymbolKind.Struct,
  vscode.SymbolKind.Constructor,
])

/** Empty where no extension knows the language. */
export async function definitionsOf(uri: vscode.Uri): Promise<Definition[]> {
  const found = await vscode.commands.executeCommand<(vscode.DocumentSymbol | vscode.SymbolInformation)[] | undefined>(
    'vscode.executeDocumentSymbolProvider',
    uri,
  )
  return definitions(found ?? [])
}

function definitions(symbols: readonly (vscode.DocumentSymbol | vscode.SymbolInformation)[]): Definition[] {
  return symbols.flatMap((symbol) => {
    const [whole, name] =
      'children' in symbol ? [symbol.range, symbol.selectionRange] : [symbol.location.range, symbol.location.range]
    const own = kinds.has(symbol.kind)
      ? [{ symbol: symbol.name, startLine: whole.start.line + 1, endLine: whole.end.line + 1, name }]
      : []
    // Of a name inside of a function nobody asks.
    const inside = symbol.kind === vscode.SymbolKind.Function || symbol.kind === vscode.SymbolKind.Method
    return inside || !('children' in symbol) ? own : [...own, ...definitions(symbol.children)]
  })
}
