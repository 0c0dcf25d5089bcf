/**
 * How a file is laid out for the model: a header with its path, then each unit after a breadcrumb that says where it stands.
 * Every unit is tokenised by itself, so that its bounds in tokens are exact; header and breadcrumbs are read, not remembered.
 */
import type { NativeModel } from '../engine/addon'
import type { Unit } from '../protocol/types'
import { breadcrumb } from '../workspace/units'

export interface Episode {
  readonly tokens: Int32Array
  /** Start and end token of each unit, pairs. */
  readonly spans: Uint32Array
}

export const fileHeader = (file: string): string => `# File: ${file.replace(/[\r\n]+/g, ' ')}\n`

/** The text of each unit, with its last line end. */
export function unitTexts(text: string, units: readonly Unit[]): string[] {
  const lines = text.split('\n')
  return units.map(({ startLine, endLine }) => lines.slice(startLine - 1, endLine).join('\n') + '\n')
}

export function layOut(
  model: Pick<NativeModel, 'tokenize' | 'info'>,
  file: string,
  units: readonly Unit[],
  texts: readonly string[],
  breadcrumbs: boolean,
): Episode {
  const parts: Int32Array[] = []
  let length = 0
  const push = (part: Int32Array) => {
    parts.push(part)
    length += part.length
  }
  const { beginToken } = model.info()
  if (beginToken >= 0) push(Int32Array.of(beginToken))
  push(model.tokenize(fileHeader(file), false))
  const spans = new Uint32Array(units.length * 2)
  units.forEach((unit, i) => {
    if (breadcrumbs) push(model.tokenize(`${breadcrumb(file, unit)}\n`, false))
    spans[i * 2] = length
    push(model.tokenize(texts[i] ?? '', false))
    spans[i * 2 + 1] = length
  })
  const tokens = new Int32Array(length)
  let at = 0
  for (const part of parts) {
    tokens.set(part, at)
    at += part.length
  }
  return { tokens, spans }
}
