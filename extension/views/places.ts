/**
 * Places of a repository in the editor: opened with their lines lit for a moment, and everything that a question found lit until
 * it is cleared, the stronger the hotter.
 */
import * as vscode from 'vscode'
import { lineHeat } from '../answer/heat'
import { contextKeys } from '../contributions'
import type { FoundUnit } from '../protocol/chat'
import type { Place } from '../protocol/types'
import { cellsAt } from '../workspace/notebook'

/** Steps of heat, pale enough for the text upon them; a decoration type cannot change its colour. */
const steps = [0.07, 0.14, 0.22, 0.32]
/** Milliseconds that cited lines stay lit. */
const litMs = 4000

export const uriOf = (folder: vscode.Uri, file: string): vscode.Uri => vscode.Uri.joinPath(folder, file)

export class Places implements vscode.Disposable {
  private readonly cited = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('editor.findMatchHighlightBackground'),
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.findMatchForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Center,
  })
  private readonly heat = steps.map((opacity) =>
    vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      backgroundColor: `rgba(230, 140, 40, ${opacity})`,
      overviewRulerColor: `rgba(230, 140, 40, ${Math.min(1, opacity * 2)})`,
      overviewRulerLane: vscode.OverviewRulerLane.Right,
    }),
  )
  private found: { readonly folder: vscode.Uri; readonly units: readonly FoundUnit[] } | undefined
  private readonly disposables = [
    this.cited,
    ...this.heat,
    vscode.window.onDidChangeVisibleTextEditors(() => this.draw()),
  ]

  async open(folder: vscode.Uri, { file, startLine, endLine }: Place, beside: boolean): Promise<void> {
    const uri = uriOf(folder, file)
    if (file.endsWith('/')) {
      await vscode.commands.executeCommand('revealInExplorer', uri)
      return
    }
    if (
      file.endsWith('.ipynb') &&
      startLine !== undefined &&
      (await this.openCells(uri, startLine, endLine ?? startLine))
    )
      return
    const document = await vscode.workspace.openTextDocument(uri)
    const editor = await vscode.window.showTextDocument(document, {
      preview: true,
      ...(beside ? { viewColumn: vscode.ViewColumn.Beside } : { viewColumn: columnOfEditors() }),
    })
    if (startLine === undefined) return
    const range = new vscode.Range(startLine - 1, 0, (endLine ?? startLine) - 1, Number.MAX_SAFE_INTEGER)
    editor.selection = new vscode.Selection(range.start, range.start)
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport)
    this.light(editor, document.validateRange(range))
  }

  /** Shows cells of a notebook, lit for a moment; false where no editor for notebooks takes it. */
  private async openCells(uri: vscode.Uri, startLine: number, endLine: number): Promise<boolean> {
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri))
    const cells = cellsAt(text, startLine, endLine)
    if (!cells) return false
    const notebook = await vscode.workspace.openNotebookDocument(uri).then(undefined, () => undefined)
    if (!notebook) return false
    const range = new vscode.NotebookRange(cells.first, cells.end)
    const viewColumn = columnOfEditors()
    const editor = await vscode.window.showNotebookDocument(notebook, {
      preview: true,
      viewColumn,
      selections: [range],
    })
    editor.revealRange(range, vscode.NotebookEditorRevealType.InCenterIfOutsideViewport)
    const shown = new Set(notebook.getCells(range).map((cell) => cell.document.uri.toString()))
    for (const inside of vscode.window.visibleTextEditors)
      if (shown.has(inside.document.uri.toString()))
        this.light(inside, new vscode.Range(0, 0, inside.document.lineCount - 1, Number.MAX_SAFE_INTEGER))
    return true
  }

  private light(editor: vscode.TextEditor, range: vscode.Range): void {
    editor.setDecorations(this.cited, [range])
    setTimeout(() => editor.setDecorations(this.cited, []), litMs)
  }

  /** Lights what a question found in every editor that shows it, until `clear`, and opens the best of it. */
  async highlight(folder: vscode.Uri, units: readonly FoundUnit[]): Promise<void> {
    this.found = { folder, units }
    void vscode.commands.executeCommand('setContext', contextKeys.highlighted, true)
    const [best] = units
    if (best) await this.open(folder, best, false)
    this.draw()
  }

  clear(): void {
    this.found = undefined
    void vscode.commands.executeCommand('setContext', contextKeys.highlighted, false)
    this.draw()
  }

  dispose(): void {
    vscode.Disposable.from(...this.disposables).dispose()
  }

  private draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const ranges: vscode.DecorationOptions[][] = steps.map(() => [])
      for (const { line, heat, message } of this.linesOf(editor.document)) {
        const step = Math.min(steps.length - 1, Math.floor(heat * steps.length))
        ranges[step]?.push({ range: new vscode.Range(line, 0, line, 0), hoverMessage: message })
      }
      this.heat.forEach((type, step) => editor.setDecorations(type, ranges[step] ?? []))
    }
  }

  private linesOf(document: vscode.TextDocument): { line: number; heat: number; message: string }[] {
    const { found } = this
    if (!found) return []
    const best = Math.max(...found.units.map(({ score }) => score))
    return found.units
      .filter(({ file }) => uriOf(found.folder, file).toString() === document.uri.toString())
      .flatMap((unit) => {
        const range = document.validateRange(new vscode.Range(unit.startLine - 1, 0, unit.endLine, 0))
        const share = best > 0 ? Math.max(0, unit.score / best) : 0
        const words = unit.foundBy.map(({ word, share: part }) => `${word} ${Math.round(part * 100)} %`).join(', ')
        const message = vscode.l10n.t('Longread: score {0}. Found by {1}.', unit.score.toFixed(2), words)
        return lineHeat(document.getText(range), unit.foundBy)
          .slice(0, unit.endLine - unit.startLine + 1)
          .map(({ heat }, i) => ({ line: unit.startLine - 1 + i, heat: share * (0.3 + 0.69 * heat), message }))
      })
  }
}

/** Where files are shown when the panel itself is in an editor: not over it. */
function columnOfEditors(): vscode.ViewColumn {
  const { activeTabGroup } = vscode.window.tabGroups
  const { input } = activeTabGroup.activeTab ?? {}
  return input instanceof vscode.TabInputWebview ? vscode.ViewColumn.Beside : activeTabGroup.viewColumn
}
