/** The model as a plain chat model: messages in its own template, answered token by token. Nothing of the repository is looked up. */
import { cancellable } from '../engine/addon'
import { tooLong } from '../errors'
import type { ChatRequest, ChatResult } from '../protocol/types'
import type { LoadedModel } from '../recall/loaded'
import type { AnswerTools } from './answer'
import { templateTokens } from './template'

export async function chat(
  { addon, model }: Pick<LoadedModel, 'addon' | 'model'>,
  { messages, sampling }: Pick<ChatRequest, 'messages' | 'sampling'>,
  tools: Pick<AnswerTools, 'signal' | 'text'>,
): Promise<ChatResult> {
  const tokens = templateTokens(model, messages).whole()
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
