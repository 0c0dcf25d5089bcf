/**
 * The prompt of an answer: the code of the reading list under its paths, then the question, in the model's own chat template; for
 * a base model, which has none, as a text whose next line is the answer.
 * Code and question are data: whatever looks like a control token in them is tokenised as ordinary text.
 */
import type { NativeModel } from '../engine/addon'
import { fileHeader } from '../recall/episode'
import { TokenList } from '../recall/token-list'
import type { ReadingItem } from './reading-list'

export interface Prompt {
  readonly tokens: Int32Array
  /** Start and end token of each item of the reading list, pairs. */
  readonly spans: Uint32Array
  /** The model would go on after its answer, with a next question of its own: the answer is what it writes on this line. */
  readonly oneLine: boolean
}

const system =
  'You answer questions about a code repository. Use only the code given. Answer in one to three short sentences; give exact names and values as they stand in the code.'

/** Stands in the template where the content goes, so that content can be tokenised apart from the template. */
const placeholder = '\u0001CONTENT\u0001'

export function buildPrompt(model: NativeModel, question: string, reading: readonly ReadingItem[]): Prompt {
  const { beginToken, chats } = model.info()
  const template = chats
    ? model.chat([
        { role: 'system', content: system },
        { role: 'user', content: placeholder },
      ])
    : `${placeholder}\nAnswer:`
  const [before = '', after = ''] = template.split(placeholder)
  const tokens = new TokenList()
  const push = (text: string, special: boolean) => tokens.push(model.tokenize(text, special))
  // A template that writes its own begin token is not given a second one.
  if (beginToken >= 0 && model.tokenize(before, true)[0] !== beginToken) tokens.push(Int32Array.of(beginToken))
  push(before, true)
  const spans = new Uint32Array(reading.length * 2)
  reading.forEach(({ unit, text }, i) => {
    push(fileHeader(unit.file), false)
    spans[i * 2] = tokens.length
    push(text, false)
    spans[i * 2 + 1] = tokens.length
    push('\n', false)
  })
  push(`Question: ${question}`, false)
  push(after, true)
  return { tokens: tokens.whole(), spans, oneLine: !chats }
}
