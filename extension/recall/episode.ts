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

/** A model's never changes, and asking a model on a GPU for all that it knows of itself takes a call to the driver. */
const beginTokens = new WeakMap<object, number>()
function beginTokenOf(model: Pick<NativeModel, 'info'>): number {
  let token = beginTokens.get(model)
  if (token === undefined) beginTokens.set(model, (token = model.info().beginToken))
  return token
}

/** Off this thread, which has more to do while a model reads. */
export async function layOut(
  model: Pick<NativeModel, 'tokenizeMany' | 'info'>,
  file: string,
  units: readonly Unit[],
  texts: readonly string[],
  breadcrumbs: boolean,
): Promise<Episode> {
  const parts = [fileHeader(file)]
  units.forEach((unit, i) => {
    if (breadcrumbs) parts.push(`${breadcrumb(file, unit)}\n`)
    parts.push(texts[i] ?? '')
  })
  const { tokens: read, counts } = await model.tokenizeMany(parts, false)
  const beginToken = beginTokenOf(model)
  const begin = beginToken >= 0 ? [beginToken] : []
  const tokens = new Int32Array(begin.length + read.length)
  tokens.set(begin)
  tokens.set(read, begin.length)
  const spans = new Uint32Array(units.length * 2)
  let part = 0
  let at = begin.length + (counts[part++] ?? 0)
  units.forEach((_, i) => {
    if (breadcrumbs) at += counts[part++] ?? 0
    spans[i * 2] = at
    at += counts[part++] ?? 0
    spans[i * 2 + 1] = at
  })
  return { tokens, spans }
}
