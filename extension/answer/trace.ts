/** Every step of one answer with its time, as text: what was found and why, what was read, what was cited. */
import { describeWay } from '../infllm/choice'
import type { Turn } from '../protocol/chat'
import { placeText } from './export'

const ms = (value: number): string => `${Math.round(value).toLocaleString('en-US')} ms`.padStart(10)
const score = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(2)).padStart(6)

export function traceText({ question, result, answer, state, asked }: Turn): string {
  const lines = [
    `question  ${oneLine(question)}`,
    `asked     ${new Date(asked).toISOString()}`,
    `state     ${state}`,
    '',
  ]
  if (result) {
    const { recallMs, firstTokenMs, totalMs } = result
    if (result.meant !== undefined) lines.splice(1, 0, `meant     ${oneLine(result.meant)}`)
    lines.push('[times]')
    lines.push(`${ms(recallMs)}  recall: every key scored, the best units read again`)
    lines.push(`${ms(firstTokenMs)}  prefill: the reading list read, first word`)
    lines.push(
      `${ms(Math.max(0, totalMs - recallMs - firstTokenMs))}  reading changes before, and the words of the answer`,
    )
    lines.push(`${ms(totalMs)}  in all`, '')
    if (result.from) lines.push('[from]', describeWay(result.from), '')
    lines.push('[found]', '  rank  score   attn  words  again  place')
    result.found.forEach((unit, i) => {
      const { file, startLine, endLine, symbol, read } = unit
      const scores = [score(unit.score), score(unit.attention), score(unit.lexical), score(unit.rerank)].join(' ')
      lines.push(
        `${read ? '*' : ' '} ${String(i + 1).padStart(4)} ${scores}  ${file}:${startLine}-${endLine} ${symbol}`.trimEnd(),
      )
      const words = unit.foundBy.map(({ word, share }) => `${word} ${Math.round(share * 100)}%`)
      if (words.length > 0) lines.push(`       by ${words.join(', ')}`)
    })
    lines.push('  * read before answering', '', '[cited]')
    for (const citation of result.citations)
      lines.push(`  at ${String(citation.at).padStart(5)}  ${placeText(citation).replaceAll('`', '')}`)
    if (result.citations.length === 0) lines.push('  nothing')
    lines.push('')
  }
  lines.push('[answer]', answer, '')
  return lines.join('\n')
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
