/**
 * What the chat panel's webview and its host say to one another: one union of messages a direction. The webview keeps nothing that
 * cannot be asked for again: it says `ready` and is told everything.
 */
import type { AnsweredFrom, Citation, FoundBy, Place, UnitReference } from './types'

/** What mends an error: a command of the extension, or its settings. */
export type Remedy = 'downloadModel' | 'chooseModel' | 'restartEngine' | 'showLog' | 'openSettings' | 'openFolder'

/** Something that a question points at with `@`. */
export interface Mention extends Place {
  readonly kind: 'file' | 'folder' | 'symbol' | 'selection'
  /** What stands in the question after the `@`; without blanks. */
  readonly label: string
}

/** A citation, with where it stands in the answer's text. */
export interface PlacedCitation extends Citation {
  /** Characters of the answer before it. */
  readonly at: number
  readonly symbol: string
}

/** A line of a unit that holds words of the question. */
export interface HotLine {
  readonly line: number
  readonly text: string
  readonly words: readonly string[]
}

/** A unit that was found, as the panel explains it. */
export interface FoundUnit extends UnitReference {
  readonly score: number
  readonly attention?: number
  readonly lexical?: number
  readonly rerank?: number
  readonly foundBy: readonly FoundBy[]
  /** The model read it before it answered. */
  readonly read: boolean
  /** How much of what found the unit each of its lines holds, 0 to 1; of long units, stretches of lines. */
  readonly heat: readonly number[]
  readonly lines: readonly HotLine[]
}

export interface TurnResult {
  /** What was looked for, where the question alone only pointed back. */
  readonly meant?: string
  readonly citations: readonly PlacedCitation[]
  /** Best first. */
  readonly found: readonly FoundUnit[]
  readonly followUps: readonly string[]
  /** Milliseconds. */
  readonly recallMs: number
  readonly firstTokenMs: number
  readonly totalMs: number
  /** The question was asked while not all had been read. */
  readonly partial: boolean
  /** Where the answer came from, and why from there; chats of before do not know. */
  readonly from?: AnsweredFrom
}

export interface Turn {
  readonly id: string
  readonly question: string
  readonly mentions: readonly Mention[]
  readonly state: 'running' | 'done' | 'stopped' | 'failed'
  readonly answer: string
  readonly result?: TurnResult
  readonly error?: { readonly message: string; readonly remedy?: Remedy }
  /** Milliseconds since 1970. */
  readonly asked: number
}

export interface Conversation {
  readonly id: string
  /** URI of the workspace folder that it is about; its places are relative to it. */
  readonly folder?: string
  readonly turns: readonly Turn[]
}

export interface ConversationSummary {
  readonly id: string
  readonly title: string
  readonly asked: number
  readonly turns: number
  /** Where the words that were searched for stand; empty without a search. */
  readonly excerpt: string
}

/** What the panel's head shows of the session. */
export interface SessionView {
  readonly kind: 'none' | 'unread' | 'no-model' | 'reading' | 'paused' | 'ready' | 'stale' | 'failed'
  readonly folder: string
  /** One line. */
  readonly text: string
  /** Percent of the first reading. */
  readonly percent?: number
  readonly coverage?: Coverage
  readonly remedy?: Remedy
}

export interface Coverage {
  readonly files: number
  readonly units: number
  readonly tokens: number
  readonly bytes: number
  /** By reason, the most frequent first; `files` are the first of each. */
  readonly leftOut: readonly { readonly reason: string; readonly count: number; readonly files: readonly string[] }[]
}

export type ToChat =
  | { readonly type: 'state'; readonly conversation: Conversation; readonly session: SessionView }
  | { readonly type: 'session'; readonly session: SessionView }
  /** A turn has come or has changed; everything after it is gone. */
  | { readonly type: 'turn'; readonly turn: Turn }
  | { readonly type: 'text'; readonly turn: string; readonly text: string }
  /** What happens before the answer's first word, in words; empty: nothing. */
  | { readonly type: 'doing'; readonly turn: string; readonly text: string }
  | { readonly type: 'mentions'; readonly id: number; readonly items: readonly Mention[] }
  | { readonly type: 'history'; readonly conversations: readonly ConversationSummary[] }
  | { readonly type: 'draft'; readonly text: string; readonly mentions: readonly Mention[] }
  | { readonly type: 'focus' }

export type CodeAction = 'copy' | 'insert' | 'apply'
export type PanelCommand = 'read' | 'pause' | 'showLeftOut' | 'export' | Remedy

export type FromChat =
  | { readonly type: 'ready' }
  | { readonly type: 'ask'; readonly text: string; readonly mentions: readonly Mention[] }
  | { readonly type: 'stop' }
  /** Asks the turn's question in other words; what followed it is gone. */
  | { readonly type: 'edit'; readonly turn: string; readonly text: string; readonly mentions: readonly Mention[] }
  | { readonly type: 'regenerate'; readonly turn: string }
  | { readonly type: 'open'; readonly place: Place; readonly beside: boolean }
  /** Highlights what a turn found, in the editor. */
  | { readonly type: 'highlight'; readonly turn: string }
  | { readonly type: 'code'; readonly action: CodeAction; readonly text: string }
  | { readonly type: 'copyAnswer'; readonly turn: string }
  | { readonly type: 'complete'; readonly id: number; readonly text: string }
  | { readonly type: 'new' }
  | { readonly type: 'searchHistory'; readonly text: string }
  | { readonly type: 'load'; readonly conversation: string }
  | { readonly type: 'forget'; readonly conversation: string }
  | { readonly type: 'run'; readonly command: PanelCommand }
