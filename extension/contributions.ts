/**
 * Every command, setting, view and context key that package.json contributes, named once. A test holds both lists against
 * each other.
 */
import type { AnsweringWay } from './infllm/choice'

export const commands = {
  openChat: 'longread.openChat',
  openChatInEditor: 'longread.openChatInEditor',
  newChat: 'longread.newChat',
  exportChat: 'longread.exportChat',
  showHistory: 'longread.showHistory',
  chooseFolder: 'longread.chooseFolder',
  askAboutSelection: 'longread.askAboutSelection',
  askInline: 'longread.askInline',
  explainInline: 'longread.explainInline',
  usesInline: 'longread.usesInline',
  breaksInline: 'longread.breaksInline',
  replyInline: 'longread.replyInline',
  stopInline: 'longread.stopInline',
  openInlineInChat: 'longread.openInlineInChat',
  dismissInline: 'longread.dismissInline',
  summarize: 'longread.summarize',
  summarizeFolder: 'longread.summarizeFolder',
  read: 'longread.read',
  pause: 'longread.pause',
  showLeftOut: 'longread.showLeftOut',
  chooseModel: 'longread.chooseModel',
  downloadModel: 'longread.downloadModel',
  restartEngine: 'longread.restartEngine',
  clearHighlights: 'longread.clearHighlights',
  showTrace: 'longread.showTrace',
  openUnit: 'longread.openUnit',
  leaveOut: 'longread.leaveOut',
  showMenu: 'longread.showMenu',
  showLog: 'longread.showLog',
  reportProblem: 'longread.reportProblem',
} as const

export type CommandId = (typeof commands)[keyof typeof commands]

/** Settings under `longread.`, with the types that package.json declares for them. Defaults stand only there. */
export interface Settings {
  readonly model: string
  readonly 'reading.start': 'automatic' | 'afterFirstUse' | 'manual'
  readonly device: 'auto' | 'cpu' | 'cuda'
  readonly 'reading.threads': number
  readonly 'memory.keep': boolean
  readonly 'memory.folder': string
  readonly 'answer.from': AnsweringWay
  readonly 'answer.maxTokens': number
  readonly 'answer.readingTokens': number
  readonly 'answer.temperature': number
  readonly codeLens: boolean
}

export type SettingName = keyof Settings

/** The compiler asks for each name once; a test asks package.json. */
export const settingNames: Readonly<Record<SettingName, true>> = {
  model: true,
  'reading.start': true,
  device: true,
  'reading.threads': true,
  'memory.keep': true,
  'memory.folder': true,
  'answer.from': true,
  'answer.maxTokens': true,
  'answer.readingTokens': true,
  'answer.temperature': true,
  codeLens: true,
}

export const section = 'longread'

export const views = { chat: 'longread.chat', memory: 'longread.memory' } as const

/** What agents and VS Code's own chat know. */
export const agents = {
  participant: 'longread.repo',
  tool: 'longread_recall',
  vendor: 'longread',
  mcp: 'longread.mcp',
  comments: 'longread.inline',
} as const

export const contextKeys = {
  /** `kind` of the session's state, or `none` where no folder is open. */
  state: 'longread.state',
  /** Lines are highlighted that a question found. */
  highlighted: 'longread.highlighted',
} as const
