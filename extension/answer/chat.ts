/** The model as a plain chat model: messages in its own template, answered token by token. Nothing of the repository is looked up. */
import { cancellable, type NativeModel } from '../engine/addon'
import { tooLong } from '../errors'
import type { ChatMessage, ChatRequest, ChatResult } from '../protocol/types'
import type { LoadedModel } from '../recall/memory'
import { TokenList } from '../recall/token-list'
import type { AnswerTools } from './answer'

export async function chat(
  { addon, model }: Pick<LoadedModel, 'addon' | 'model'>,
  { messages, sampling }: Pick<ChatRequest, 'messages' | 'sampling'>,
  tools: Pick<AnswerTools, 'signal' | 'text'>,
): Promise<ChatResult> {
  const tokens = chatTokens(model, messages)
  const room = model.info().trainedContext - sampling.maxTokens
  if (tokens.length > room) throw tooLong('The conversation', tokens.length, room)
  const decoder = new TextDecoder()
  let text = ''
  const say = (piece: string) => {
    if (piece === '') return
    text += piece
    tools.text(piece)
  }
  const nothing = { watch: new Uint32Array(0), watchHeads: [] }
  await cancellable(addon, tools.signal, (cancel) =>
    model.generate({ ...sampling, ...nothing, tokens }, cancel, (_prefilled, token) => {
      if (token) say(decoder.decode(token.piece, { stream: true }))
    }),
  )
  say(decoder.decode())
  return { text, prompt: tokens.length }
}

/** The template's own text may hold control tokens; what people and programs wrote may not. */
export function chatTokens(
  model: Pick<NativeModel, 'chat' | 'tokenize' | 'info'>,
  messages: readonly ChatMessage[],
): Int32Array {
  const place = (i: number) => `\u0001${i}\u0001`
  const template = model.chat(messages.map(({ role }, i) => ({ role, content: place(i) })))
  const tokens = new TokenList()
  const { beginToken } = model.info()
  const parts = template.split(/\u0001(\d+)\u0001/)
  if (beginToken >= 0 && model.tokenize(parts[0] ?? '', true)[0] !== beginToken) tokens.push(Int32Array.of(beginToken))
  // Split by a pattern with a group: text of the template and numbers of messages take turns.
  parts.forEach((part, i) => {
    tokens.push(i % 2 === 0 ? model.tokenize(part, true) : model.tokenize(messages[Number(part)]?.content ?? '', false))
  })
  return tokens.whole()
}
