/**
 * One session for each folder of the workspace, made when it is first needed, all served by one engine process that is forked
 * with the first call. What is open is read first, what is saved at once, and what is not saved is told with questions.
 */
import * as path from 'node:path'
import * as vscode from 'vscode'
import { onEngineSettings, readingStart, streamRequest, watchesAll } from '../config'
import type { Log } from '../engine/handlers-type'
import { EngineClient, type CallOptions } from '../engine/client'
import { WorkspaceSession } from '../engine/workspace-session'
import type { ChatRequest, ChatResult, Device } from '../protocol/types'

export interface FolderSession {
  readonly folder: vscode.WorkspaceFolder
  readonly session: WorkspaceSession
}

/** Where it is noted that Longread was used in this workspace. */
const usedKey = 'used'

export class Sessions implements vscode.Disposable {
  private readonly sessions = new Map<string, FolderSession>()
  private readonly changed = new vscode.EventEmitter<void>()
  /** A session has changed its state, or another folder is the current one. */
  readonly onDidChange = this.changed.event
  private engine: EngineClient | undefined
  private computing: Device | undefined
  /** The folder that a person chose, until a file of another one is looked at. */
  private chosen: vscode.WorkspaceFolder | undefined
  private readonly disposables: vscode.Disposable[] = [this.changed]

  constructor(
    private readonly memento: vscode.Memento,
    private readonly log: Log,
  ) {
    const watcher = vscode.workspace.createFileSystemWatcher('**/*')
    const touched = (uri: vscode.Uri) => this.touched(uri)
    this.disposables.push(
      watcher,
      watcher.onDidChange(touched),
      watcher.onDidCreate(touched),
      watcher.onDidDelete(touched),
      // What VS Code itself does it tells at once, its watcher a moment later.
      vscode.workspace.onDidSaveTextDocument(({ uri }) => touched(uri)),
      vscode.workspace.onDidCreateFiles(({ files }) => files.forEach(touched)),
      vscode.workspace.onDidDeleteFiles(({ files }) => files.forEach(touched)),
      vscode.workspace.onDidRenameFiles(({ files }) =>
        files.forEach(({ oldUri, newUri }) => [oldUri, newUri].forEach(touched)),
      ),
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        if (editor && folderOf(editor) !== this.chosen) this.chosen = undefined
        this.changed.fire()
      }),
      vscode.workspace.onDidChangeWorkspaceFolders(({ removed }) => {
        for (const folder of removed) this.drop(folder)
        if (this.chosen && removed.includes(this.chosen)) this.chosen = undefined
        this.changed.fire()
      }),
      onEngineSettings(() => this.restart()),
    )
  }

  /** The session of the folder that was chosen, else of that which the active editor's file lies in, else of the first. */
  get current(): FolderSession | undefined {
    const folders = foldersOnDisk()
    const active = folderOf(vscode.window.activeTextEditor)
    const folder = this.chosen ?? folders.find((f) => f === active) ?? folders[0]
    return folder && this.of(folder)
  }

  /** Lets a person say which folder is the current one; false: nothing was chosen. */
  async chooseFolder(): Promise<boolean> {
    const folders = foldersOnDisk()
    const items = folders.map((folder) => ({ label: folder.name, description: folder.uri.fsPath, folder }))
    const picked = await vscode.window.showQuickPick(items, { title: vscode.l10n.t('The Folder That Is Asked') })
    if (!picked) return false
    this.chosen = picked.folder
    this.changed.fire()
    return true
  }

  /** What computes the model that is loaded. */
  get device(): Device | undefined {
    return this.computing
  }

  all(): FolderSession[] {
    return [...this.sessions.values()]
  }

  of(folder: vscode.WorkspaceFolder): FolderSession {
    const key = folder.uri.toString()
    const known = this.sessions.get(key)
    if (known) return known
    const engine = { call: ((...call) => this.client().call(...call)) as EngineClient['call'] }
    const request = async () => ({ ...(await streamRequest(folder.uri)), first: openFiles(folder) })
    const session = new WorkspaceSession(engine, request, {
      unsaved: () => unsavedTexts(folder),
      watched: () => watchesAll(folder.uri),
    })
    session.onDidChange(() => this.changed.fire())
    const made = { folder, session }
    this.sessions.set(key, made)
    return made
  }

  /** Reads what should be read without being asked for. */
  start(): void {
    for (const folder of foldersOnDisk()) {
      const when = readingStart(folder.uri)
      if (when === 'automatic' || (when === 'afterFirstUse' && this.memento.get(usedKey) === true))
        this.of(folder).session.read()
    }
  }

  /** Reads the current folder because a person said so. */
  readNow(): void {
    this.used()
    this.current?.session.read()
  }

  /** From now on this workspace is read when it is opened, unless settings say otherwise. */
  used(): void {
    if (this.memento.get(usedKey) !== true) void this.memento.update(usedKey, true)
  }

  /** The model alone. It has its turn when the engine has nothing else to do. */
  chat(request: ChatRequest, options: CallOptions): Promise<ChatResult> {
    return this.client().call('chat', request, options)
  }

  /** Ends the engine process; sessions that were read are read again by a new one, from what is on disk. */
  restart(): void {
    void this.endEngine()
    for (const { session } of this.sessions.values()) session.restart()
  }

  dispose(): void {
    for (const { session } of this.sessions.values()) session.dispose()
    vscode.Disposable.from(...this.disposables).dispose()
    void this.endEngine()
  }

  /** Settles when no engine process is left. */
  async endEngine(): Promise<void> {
    const engine = this.engine
    this.engine = undefined
    this.computing = undefined
    await engine?.dispose()
  }

  private client(): EngineClient {
    this.engine ??= new EngineClient({
      yielding: true,
      onLog: this.log,
      onNotice: (message) => this.log('warn', message),
      onDevice: (device) => {
        this.computing = device
        this.changed.fire()
      },
    })
    return this.engine
  }

  private touched(uri: vscode.Uri): void {
    const folder = vscode.workspace.getWorkspaceFolder(uri)
    // Git writes its own files all the time; what matters of it changes the work tree, too.
    if (!folder || /\/(?:\.git|node_modules)\//.test(uri.path)) return
    this.sessions.get(folder.uri.toString())?.session.changed([nameIn(folder, uri)])
  }

  private drop(folder: vscode.WorkspaceFolder): void {
    const key = folder.uri.toString()
    this.sessions.get(key)?.session.dispose()
    this.sessions.delete(key)
  }
}

/** Those that can be read. */
const foldersOnDisk = (): vscode.WorkspaceFolder[] =>
  (vscode.workspace.workspaceFolders ?? []).filter(({ uri: { scheme } }) => scheme === 'file')

const folderOf = (editor: vscode.TextEditor | undefined): vscode.WorkspaceFolder | undefined =>
  editor && vscode.workspace.getWorkspaceFolder(editor.document.uri)

/** Relative to the folder, with forward slashes. */
const nameIn = (folder: vscode.WorkspaceFolder, uri: vscode.Uri): string =>
  path.posix.relative(folder.uri.path, uri.path)

/** Documents of the folder's files that are open. */
const documents = (folder: vscode.WorkspaceFolder): vscode.TextDocument[] =>
  vscode.workspace.textDocuments.filter(
    ({ uri, isClosed }) => !isClosed && uri.scheme === 'file' && vscode.workspace.getWorkspaceFolder(uri) === folder,
  )

/** What is seen comes before what is only open. */
function openFiles(folder: vscode.WorkspaceFolder): string[] {
  const seen = new Set(vscode.window.visibleTextEditors.map(({ document }) => document))
  const active = vscode.window.activeTextEditor?.document
  const order = (document: vscode.TextDocument) => (document === active ? 0 : seen.has(document) ? 1 : 2)
  return documents(folder)
    .sort((a, b) => order(a) - order(b))
    .map(({ uri }) => nameIn(folder, uri))
}

const unsavedTexts = (folder: vscode.WorkspaceFolder): ReadonlyMap<string, string> =>
  new Map(
    documents(folder)
      .filter(({ isDirty }) => isDirty)
      .map((document) => [nameIn(folder, document.uri), document.getText()]),
  )
