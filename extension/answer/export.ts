/** A conversation as Markdown, with its citations as footnotes that name files and lines. */
import type { Conversation, PlacedCitation, Turn } from '../protocol/chat'
import type { Citation } from '../protocol/types'
import { insertAt } from './insertions'
import { inCode } from './plain'

export function exportMarkdown(conversation: Conversation, title: string): string {
  const parts = [`# ${oneLine(title)}`]
  let notes = 0
  for (const turn of conversation.turns) {
    parts.push(`## ${oneLine(turn.question)}`)
    const { text, citations } = withNotes(turn, notes)
    notes += citations.length
    parts.push(text === '' ? '*No answer.*' : text)
    if (turn.state === 'stopped') parts.push('*Stopped.*')
    if (turn.error) parts.push(`*${oneLine(turn.error.message)}*`)
    const first = notes - citations.length
    if (citations.length > 0)
      parts.push(citations.map((citation, i) => `[^${first + i + 1}]: ${placeText(citation)}`).join('\n'))
  }
  return `${parts.join('\n\n')}\n`
}

function withNotes(turn: Turn, before: number): { text: string; citations: readonly PlacedCitation[] } {
  const citations = turn.result?.citations ?? []
  const marks = citations.map(({ at }, i) => ({ at, text: `[^${before + i + 1}]` }))
  return { text: insertAt(turn.answer, marks).trim(), citations }
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** As people and editors write places: `web/router.ts:12-20`. */
export const placeText = ({ file, startLine, endLine }: Citation): string =>
  inCode(`${file}:${startLine}${endLine > startLine ? `-${endLine}` : ''}`)
