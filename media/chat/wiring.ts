/** The one connection to the host, and the texts that every part of the panel shows. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { FromChat } from '../../extension/protocol/chat'
import type { ChatStrings } from '../../extension/protocol/chat-strings'

/** What must survive the page's being thrown away and made again: the question that is being written. */
export interface Kept {
  readonly text: string
}

declare function acquireVsCodeApi(): {
  postMessage(message: FromChat): void
  getState(): Kept | undefined
  setState(state: Kept): void
}

const host = acquireVsCodeApi()

export const send = (message: FromChat): void => host.postMessage(message)
export const kept = (): Kept => host.getState() ?? { text: '' }
export const keep = (state: Kept): void => host.setState(state)

export const Strings = createContext<ChatStrings>({} as ChatStrings)
export const useStrings = (): ChatStrings => useContext(Strings)
