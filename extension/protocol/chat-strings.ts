/** The texts that the chat panel shows; `{0}` are places. */
import type { Remedy } from './chat'

export interface ChatStrings {
  readonly title: string
  readonly placeholder: string
  readonly compose: string
  readonly send: string
  readonly stop: string
  readonly newChat: string
  readonly history: string
  readonly searchHistory: string
  readonly noHistory: string
  readonly close: string
  readonly remove: string
  readonly export: string
  readonly edit: string
  readonly cancel: string
  readonly regenerate: string
  readonly copyAnswer: string
  readonly copy: string
  readonly insert: string
  readonly apply: string
  readonly copied: string
  readonly stopped: string
  readonly working: string
  readonly why: string
  readonly meant: string
  readonly whySummary: string
  readonly highlight: string
  readonly read: string
  readonly attention: string
  readonly lexical: string
  readonly rerank: string
  readonly score: string
  readonly foundBy: string
  readonly line: string
  readonly followUps: string
  readonly partial: string
  readonly timing: string
  readonly readNow: string
  readonly pause: string
  readonly resume: string
  readonly remedies: Readonly<Record<Remedy, string>>
  readonly coverage: string
  readonly coverageText: string
  readonly leftOut: string
  readonly nothingLeftOut: string
  readonly more: string
  readonly welcome: string
  readonly welcomeUnread: string
  readonly privacy: string
  readonly examples: readonly string[]
  readonly cite: string
  readonly mentions: string
  readonly selection: string
}
