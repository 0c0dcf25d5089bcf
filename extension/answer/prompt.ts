/**
 * The prompt of an answer: what was said before, the code of the reading list under its paths, then the question, in the model's own
 * chat template; for a base model, which has none, as a text whose next line is the answer.
 * Code and question are data: whatever looks like a control token in them is tokenised as ordinary text.
 */
import type { NativeModel } from '../engine/addon'
import type { EarlierTurn } from '../protocol/types'
import { fileHeader } from '../recall/episode'
import type { TokenList } from '../recall/token-list'
import type { ReadingItem } from './reading-list'
import { filled, templateTokens, type TemplateMessage } from './template'

export interface Prompt {
  readonly tokens: Int32Array
  /** Start and end token of each item of the reading list, pairs. */
  readonly spans: Uint32Array
  /** The model would go on after its answer, with a next question of its own: the answer is what it writes on this line. */
  readonly oneLine: boolean
}

const system =
  'You answer questions about a code repository. Use only the code given. Answer in one to three short sentences; give exact names and values as they stand in the code.'

const asked = (question: string): string => `Question: ${question}`

/** @param before the part of the conversation that has room (conversation.ts), oldest first */
export function buildPrompt(
  model: NativeModel,
  question: string,
  reading: readonly ReadingItem[],
  before: readonly EarlierTurn[] = [],
): Prompt {
  const { chats } = model.info()
  const spans = new Uint32Array(reading.length * 2)
  const content = (tokens: TokenList) => {
    const push = (text: string) => tokens.push(model.tokenize(text, false))
    reading.forEach(({ unit, text }, i) => {
      push(fileHeader(unit.file))
      spans[i * 2] = tokens.length
      push(text)
      spans[i * 2 + 1] = tokens.length
      push('\n')
    })
    push(asked(question))
  }
  if (!chats) {
    const said = before.flatMap((turn) => [{ content: asked(turn.question) }, { content: turn.answer }])
    const template = before.map((_, i) => `${mark(2 * i)}\nAnswer: ${mark(2 * i + 1)}\n\n`).join('')
    const tokens = filled(model, `${template}${mark(said.length)}\nAnswer:`, [...said, { content }])
    return { tokens: tokens.whole(), spans, oneLine: true }
  }
  const messages: TemplateMessage[] = [
    { role: 'system', content: system },
    ...before.flatMap((turn): TemplateMessage[] => [
      { role: 'user', content: asked(turn.question) },
      { role: 'assistant', content: turn.answer },
    ]),
    { role: 'user', content },
  ]
  return { tokens: templateTokens(model, messages).whole(), spans, oneLine: false }
}

/**
 * The same for a model that has read the whole repository: what stands before all files, and what stands after them, with what was
 * said before (`earlier`, oldest first).
 */
export function memoryPrompt(
  model: NativeModel,
  question: string,
  earlier: readonly EarlierTurn[] = [],
): { readonly before: Int32Array; readonly after: Int32Array; readonly oneLine: boolean } {
  const { chats } = model.info()
  let bound = 0
  const [first = question, ...questions] = [...earlier.map((turn) => turn.question), question]
  const content = (tokens: TokenList) => {
    bound = tokens.length
    tokens.push(model.tokenize(asked(first), false))
  }
  const rest = earlier.flatMap(({ answer }, i): TemplateMessage[] => [
    { role: 'assistant', content: answer },
    { role: 'user', content: asked(questions[i] ?? '') },
  ])
  const template = earlier.map((_, i) => `${mark(2 * i)}\nAnswer: ${mark(2 * i + 1)}\n\n`).join('')
  const tokens = chats
    ? templateTokens(model, [{ role: 'system', content: system }, { role: 'user', content }, ...rest])
    : filled(model, `${template}${mark(rest.length)}\nAnswer:`, [{ content }, ...rest])
  const whole = tokens.whole()
  return { before: whole.slice(0, bound), after: whole.slice(bound), oneLine: !chats }
}

const mark = (i: number): string => `\u0001${i}\u0001`
