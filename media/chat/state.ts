/** What the panel shows, and how each of the host's messages changes it. Pure, so that it is tested without a browser. */
import type {
  Conversation,
  ConversationSummary,
  Mention,
  SessionView,
  ToChat,
  Turn,
} from '../../extension/protocol/chat'

export interface PanelState {
  /** The host has told where things stand. */
  readonly known: boolean
  readonly conversation: Conversation
  readonly session: SessionView
  readonly doing: { readonly turn: string; readonly text: string } | undefined
  /** Undefined while the list is closed. */
  readonly history: readonly ConversationSummary[] | undefined
  readonly mentions: { readonly id: number; readonly items: readonly Mention[] }
  /** What the host put into the input, counted so that the same text can come twice. */
  readonly draft: { readonly count: number; readonly text: string; readonly mentions: readonly Mention[] }
  /** Counts how often the input was to get the focus. */
  readonly focus: number
}

export const initial: PanelState = {
  known: false,
  conversation: { id: '', turns: [] },
  session: { kind: 'unread', folder: '', text: '' },
  doing: undefined,
  history: undefined,
  mentions: { id: 0, items: [] },
  draft: { count: 0, text: '', mentions: [] },
  focus: 0,
}

export type Action = ToChat | { readonly type: 'closeHistory' }

export function reduce(state: PanelState, action: Action): PanelState {
  switch (action.type) {
    case 'state':
      return {
        ...state,
        known: true,
        conversation: action.conversation,
        session: action.session,
        doing: undefined,
        history: undefined,
      }
    case 'session':
      return { ...state, session: action.session }
    case 'turn':
      return {
        ...state,
        conversation: { ...state.conversation, turns: withTurn(state.conversation.turns, action.turn) },
        doing: action.turn.state === 'running' ? state.doing : undefined,
      }
    case 'text':
      return {
        ...state,
        doing: undefined,
        conversation: {
          ...state.conversation,
          turns: state.conversation.turns.map((turn) =>
            turn.id === action.turn ? { ...turn, answer: turn.answer + action.text } : turn,
          ),
        },
      }
    case 'doing':
      return { ...state, doing: action.text === '' ? undefined : { turn: action.turn, text: action.text } }
    case 'mentions':
      // A late answer to what was typed before says nothing any more.
      return action.id < state.mentions.id ? state : { ...state, mentions: { id: action.id, items: action.items } }
    case 'history':
      return { ...state, history: action.conversations }
    case 'closeHistory':
      return { ...state, history: undefined }
    case 'draft':
      return {
        ...state,
        draft: { count: state.draft.count + 1, text: action.text, mentions: action.mentions },
        focus: state.focus + 1,
      }
    case 'focus':
      return { ...state, focus: state.focus + 1 }
  }
}

/** A turn that is known changes where it stands, and what follows it is gone; a new one comes last. */
function withTurn(turns: readonly Turn[], turn: Turn): readonly Turn[] {
  const at = turns.findIndex(({ id }) => id === turn.id)
  return at < 0 ? [...turns, turn] : [...turns.slice(0, at), turn]
}

/** The `@…` that the cursor stands behind, if any. */
export function typedMention(
  text: string,
  cursor: number,
): { readonly from: number; readonly typed: string } | undefined {
  const match = /(?:^|\s)@(\S*)$/.exec(text.slice(0, cursor))
  if (!match) return undefined
  const typed = match[1] ?? ''
  return { from: cursor - typed.length - 1, typed }
}

/** Fills the places of a translated text. */
export const fill = (text: string, ...args: readonly (string | number)[]): string =>
  text.replace(/\{(\d+)\}/g, (whole, i: string) => String(args[Number(i)] ?? whole))
