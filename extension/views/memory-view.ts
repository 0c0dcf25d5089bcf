/** What is held, as a tree: folders, files with their size in tokens, units that open in the editor. */
import * as vscode from 'vscode'
import { commands, views } from '../contributions'
import { LongreadError } from '../errors'
import type { Unit } from '../protocol/types'
import { entriesOf, type Entry } from './memory-tree'
import { uriOf, type Places } from './places'
import type { Sessions } from './sessions'

export class MemoryView implements vscode.TreeDataProvider<Entry>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>()
  readonly onDidChangeTreeData = this.changed.event
  /** What was held when the tree was last asked for. */
  private shown: unknown
  private readonly disposables: vscode.Disposable[]

  constructor(
    private readonly sessions: Sessions,
    private readonly places: Places,
  ) {
    const view = vscode.window.createTreeView(views.memory, { treeDataProvider: this, showCollapseAll: true })
    this.disposables = [
      view,
      this.changed,
      sessions.onDidChange(() => {
        // A tree that nobody looks at asks for nothing.
        if (view.visible && this.held() !== this.shown) this.changed.fire(undefined)
      }),
    ]
  }

  async getChildren(parent?: Entry): Promise<Entry[]> {
    const session = this.sessions.current?.session
    if (parent === undefined) this.shown = this.held()
    if (!session || this.shown === undefined || parent?.kind === 'unit') return []
    if (parent?.kind === 'file') {
      const units = await session.units(parent.file).catch(() => [])
      return units.map((unit): Entry => ({ kind: 'unit', file: parent.file, unit }))
    }
    const [path, from] = [parent?.path ?? '', parent?.kind === 'more' ? parent.from : 0]
    const contents = await session.folder(path, from).catch(() => undefined)
    return contents ? entriesOf(path, contents, from) : []
  }

  getTreeItem(entry: Entry): vscode.TreeItem {
    const { None, Collapsed } = vscode.TreeItemCollapsibleState
    const { t } = vscode.l10n
    const folder = this.sessions.current?.folder.uri
    switch (entry.kind) {
      case 'folder': {
        const item = new vscode.TreeItem(entry.name, Collapsed)
        item.iconPath = vscode.ThemeIcon.Folder
        item.description = t('{0} files, {1} tokens', entry.files.toLocaleString(), entry.tokens.toLocaleString())
        return item
      }
      case 'file': {
        const item = new vscode.TreeItem(entry.name, Collapsed)
        if (folder) item.resourceUri = uriOf(folder, entry.file)
        item.iconPath = vscode.ThemeIcon.File
        item.description = t('{0} tokens', entry.tokens.toLocaleString())
        item.contextValue = 'file'
        return item
      }
      case 'more':
        return new vscode.TreeItem(t('{0} more files', entry.files.toLocaleString()), Collapsed)
      case 'unit': {
        const { unit } = entry
        const item = new vscode.TreeItem(unit.symbol === '' ? unit.kind : unit.symbol, None)
        item.iconPath = new vscode.ThemeIcon(iconOf(unit))
        item.description = `${unit.startLine}-${unit.endLine}`
        item.command = { command: commands.openUnit, title: t('Open'), arguments: [entry] }
        return item
      }
    }
  }

  async open(entry: Entry): Promise<void> {
    const folder = this.sessions.current?.folder.uri
    if (folder && entry.kind === 'unit') await this.places.open(folder, { file: entry.file, ...entry.unit }, false)
  }

  /** Leaves a file out from now on, by the file that has the last word on it. */
  async leaveOut(entry: Entry): Promise<void> {
    const folder = this.sessions.current?.folder.uri
    if (!folder || entry.kind === 'unit' || entry.kind === 'more') return
    const name = entry.kind === 'file' ? entry.file : `${entry.path}/`
    // It would be several rules.
    if (/[\r\n]/.test(name)) throw new LongreadError('usage', vscode.l10n.t('No rule can name {0}.', name))
    const uri = uriOf(folder, '.longreadignore')
    const before = await vscode.workspace.fs.readFile(uri).then(
      (bytes) => new TextDecoder().decode(bytes),
      () => '',
    )
    const rule = `/${name.replace(/[\\*?[\]!# ]/g, '\\$&')}`
    const text = `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${rule}\n`
    await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text))
    this.sessions.readNow()
  }

  dispose(): void {
    vscode.Disposable.from(...this.disposables).dispose()
  }

  private held(): unknown {
    const state = this.sessions.current?.session.state
    return state && 'held' in state ? state.held : undefined
  }
}

function iconOf({ kind }: Unit): string {
  switch (kind) {
    case 'function':
    case 'method':
      return 'symbol-method'
    case 'class':
    case 'head':
      return 'symbol-class'
    case 'section':
    case 'cell':
      return 'symbol-text'
    case 'statements':
    case 'text':
      return 'symbol-misc'
  }
}
