/** The only reader of settings. Defaults stand in package.json and nowhere else. */
import * as path from 'node:path'
import * as vscode from 'vscode'
import { section, type SettingName, type Settings } from './contributions'
import { cacheFolder, resolveModel } from './engine/catalogue'
import { readingBy } from './infllm/choice'
import type { AskRequest, EngineOptions, SamplingOptions, StreamRequest } from './protocol/types'

function setting<N extends SettingName>(name: N, scope?: vscode.Uri): Settings[N] {
  // Declared in package.json, so there is always a value; VS Code's type does not know.
  return vscode.workspace.getConfiguration(section, scope).get(name) as Settings[N]
}

export const readingStart = (folder: vscode.Uri): Settings['reading.start'] => setting('reading.start', folder)

/** Whether VS Code watches all files of a folder that are read; what it may leave out is what nobody reads. */
export function watchesAll(folder: vscode.Uri): boolean {
  const left = vscode.workspace.getConfiguration('files', folder).get<Record<string, boolean>>('watcherExclude') ?? {}
  return Object.entries(left).every(([glob, out]) => !out || /(^|\/)(\.git|\.hg|\.svn|node_modules)(\/|$)/.test(glob))
}

/** How a model is run. The same for every call, since another way of running it is loading it again. */
export const engineOptions = (model: string): EngineOptions => ({
  model,
  weights: 'fast',
  profile: null,
  device: deviceOf(setting('device')),
  threads: wholeNumber(setting('reading.threads'), 0, 256),
})

/** The name or path of the model that the settings name; undefined: the one that was chosen elsewhere, or the default. */
export const modelInUse = (): string | undefined => setting('model').trim() || undefined

/** What the engine is asked to hold. Rejects with `no-model`. */
export async function streamRequest(folder: vscode.Uri): Promise<StreamRequest> {
  const memory = setting('memory.folder').trim()
  const { path: file } = await resolveModel(modelInUse())
  return {
    ...engineOptions(file),
    root: folder.fsPath,
    memory: setting('memory.keep') ? (memory === '' ? path.join(cacheFolder(), 'memory') : path.resolve(memory)) : null,
    breadcrumbs: true,
  }
}

export interface AnswerSettings extends Pick<AskRequest, 'reading'> {
  readonly sampling: SamplingOptions
  readonly readingTokens: number
}

/** Where answers come from, where the user says it. */
export const readingSetting = (folder?: vscode.Uri): Pick<AskRequest, 'reading'> =>
  readingBy(setting('answer.from', folder))

export function answerSettings(folder?: vscode.Uri): AnswerSettings {
  return {
    ...readingSetting(folder),
    sampling: {
      temperature: Math.min(5, Math.max(0, setting('answer.temperature', folder) || 0)),
      topP: 0.95,
      seed: 0,
      maxTokens: wholeNumber(setting('answer.maxTokens', folder), 16, 4096),
    },
    readingTokens: wholeNumber(setting('answer.readingTokens', folder), 64, 100_000),
  }
}

/** Calls back when a setting has changed after which the engine must be asked anew. */
export const onEngineSettings = (changed: () => void): vscode.Disposable =>
  vscode.workspace.onDidChangeConfiguration((event) => {
    const names: readonly SettingName[] = ['model', 'device', 'reading.threads', 'memory.keep', 'memory.folder']
    if (names.some((name) => event.affectsConfiguration(`${section}.${name}`))) changed()
  })

export const codeLens = (uri: vscode.Uri): boolean => setting('codeLens', uri)

export const onCodeLensSetting = (changed: () => void): vscode.Disposable =>
  vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration(`${section}.${'codeLens' satisfies SettingName}`)) changed()
  })

/** Makes the default for a folder with none of its own, for the user. */
export const setModel = (name: string): Thenable<void> =>
  vscode.workspace
    .getConfiguration(section)
    .update('model' satisfies SettingName, name, vscode.ConfigurationTarget.Global)

const deviceOf = (value: unknown): EngineOptions['device'] => (value === 'cpu' || value === 'cuda' ? value : 'auto')

/** Settings files hold anything; the schema is advice to whoever writes them. */
const wholeNumber = (value: unknown, least: number, most: number): number =>
  Math.min(most, Math.max(least, Math.round(Number(value)) || 0))
