/**
 * How a file is laid out for the model: a header with its path, then each unit after a breadcrumb that says where it stands.
 * Every unit is tokenised by itself, so that its bounds in tokens are exact; header and breadcrumbs are read, not remembered.
 */
import type { NativeModel } from '../engine/addon'
import type { Unit } from '../protocol/types'
import { breadcrumb } from '../workspace/units'
import { TokenList } from './token-list'

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
  const tokens = new TokenList()
  const { beginToken } = model.info()
  if (beginToken >= 0) tokens.push(Int32Array.of(beginToken))
  tokens.push(model.tokenize(fileHeader(file), false))
  const spans = new Uint32Array(units.length * 2)
  units.forEach((unit, i) => {
    if (breadcrumbs) tokens.push(model.tokenize(`${breadcrumb(file, unit)}\n`, false))
    spans[i * 2] = tokens.length
    tokens.push(model.tokenize(texts[i] ?? '', false))
    spans[i * 2 + 1] = tokens.length
  })
  return { tokens: tokens.whole(), spans }
}
