/**
 * Messages as tokens in a model's own chat template. The template's own text may hold control tokens; what people, programs and
 * repositories wrote may not, so it is tokenised apart and whatever looks like a control token in it is text.
 */
import type { NativeModel } from '../engine/addon'
import type { ChatMessage } from '../protocol/types'
import { TokenList } from '../recall/token-list'

/** What a message says, as text or by writing it; the list knows how many tokens stand before it. */
export interface TemplateMessage {
  readonly role: ChatMessage['role']
  readonly content: string | ((tokens: TokenList) => void)
}

export function templateTokens(
  model: Pick<NativeModel, 'chat' | 'tokenize' | 'info'>,
  messages: readonly TemplateMessage[],
): TokenList {
  const place = (i: number) => `\u0001${i}\u0001`
  const template = model.chat(messages.map(({ role }, i) => ({ role, content: place(i) })))
  return filled(model, template, messages)
}

/** For a model without a template: one text, with its messages at `\u00010\u0001`, `\u00011\u0001`, … */
export function filled(
  model: Pick<NativeModel, 'tokenize' | 'info'>,
  template: string,
  messages: readonly Pick<TemplateMessage, 'content'>[],
): TokenList {
  const tokens = new TokenList()
  const { beginToken } = model.info()
  const parts = template.split(/\u0001(\d+)\u0001/)
  // A template that writes its own begin token is not given a second one.
  if (beginToken >= 0 && model.tokenize(parts[0] ?? '', true)[0] !== beginToken) tokens.push(Int32Array.of(beginToken))
  // Split by a pattern with a group: text of the template and numbers of messages take turns.
  parts.forEach((part, i) => {
    const content = i % 2 === 0 ? undefined : messages[Number(part)]?.content
    if (typeof content === 'function') content(tokens)
    else tokens.push(content === undefined ? model.tokenize(part, true) : model.tokenize(content, false))
  })
  return tokens
}
