/** What the panel shows of a whole answer: citations where their sentences end, what was found and why, what to ask next. */
import type { FoundUnit, PlacedCitation, TurnResult } from '../protocol/chat'
import type { AskResult, RecalledUnit } from '../protocol/types'
import { followUps, type Fill } from './follow-ups'
import { heatOf } from './heat'
import { sentences } from './sentences'

/** Units that are explained; the rest of what recall gave is no help to a person. */
const mostFound = 12

/** @param texts the text of each file that was found, as far as it is there */
export function turnResult(
  result: AskResult,
  question: string,
  partial: boolean,
  texts: ReadonlyMap<string, string>,
  fill: Fill,
): TurnResult {
  return {
    ...(result.meant === undefined ? {} : { meant: result.meant }),
    citations: placed(result),
    found: found(result, texts),
    followUps: result.found ? followUps(result.reading, question, fill) : [],
    recallMs: result.timings.recall,
    firstTokenMs: result.timings.firstToken,
    totalMs: result.timings.total,
    partial,
    from: result.from,
  }
}

/** Each place once a sentence, the surest first. */
function placed({ answer, citations, reading }: AskResult): PlacedCitation[] {
  const ends = sentences(answer).map(({ end }) => end)
  return [...citations]
    .sort((a, b) => a.sentence - b.sentence || b.weight - a.weight)
    .map(({ file, startLine, endLine, sentence }) => ({
      file,
      startLine,
      endLine,
      at: ends[sentence] ?? answer.length,
      symbol: reading.find((unit) => unit.file === file && unit.startLine === startLine)?.symbol ?? '',
    }))
}

function found({ reading, recalled }: AskResult, texts: ReadonlyMap<string, string>): FoundUnit[] {
  const isRead = (unit: RecalledUnit) =>
    reading.some(({ file, startLine }) => file === unit.file && startLine === unit.startLine)
  return recalled
    .filter((unit, rank) => rank < mostFound || isRead(unit))
    .map((found) => {
      const { signals, ...unit } = found
      return { ...unit, ...signals, read: isRead(found), ...heatOf(texts.get(unit.file) ?? '', found) }
    })
}
