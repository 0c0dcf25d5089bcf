/**
 * What is looked up while a file of a stream is read: any unit, as in the paper; those of other files alone, as of its own the window
 * holds what is near; or these, and ahead of all others those of the files that it imports. Only what was read before can be looked
 * up, so that what is imported has to stand first in the stream.
 */
import type { UnitCandidates } from '../engine/addon'

export const lookups = ['all', 'other', 'imports'] as const
export type Lookup = (typeof lookups)[number]

/** Of files: by their names, or each after those that it imports. */
export const orders = ['names', 'imports'] as const
export type Order = (typeof orders)[number]

/** A file in a stream. */
export interface StreamFile {
  readonly file: string
  /** Tokens, its header among them; end exclusive. */
  readonly from: number
  readonly to: number
  /** Of the lengths that the stream is cut into; end exclusive. */
  readonly units: readonly [number, number]
  /** Files of the stream that it imports. */
  readonly imports: readonly string[]
}

export interface FileStream {
  readonly tokens: Int32Array
  /** Of units, which sum to the tokens; empty: it is cut into blocks. */
  readonly lengths: Int32Array
  /** One after the other; what stands before, between and behind them is of no file. */
  readonly files: readonly StreamFile[]
}

/** What is read in one call. */
export interface StreamPart extends UnitCandidates {
  readonly tokens: Int32Array
  readonly lengths: Int32Array
}

export function partsOf({ tokens, lengths, files }: FileStream, lookup: Lookup): StreamPart[] {
  if (lookup === 'all') return [{ tokens, lengths }]
  const parts: StreamPart[] = []
  const places = new Map<string, StreamFile>()
  let [at, unit] = [0, 0]
  const add = (to: number, last: number, among: UnitCandidates = {}) => {
    if (to > at) parts.push({ tokens: tokens.subarray(at, to), lengths: lengths.subarray(unit, last), ...among })
    ;[at, unit] = [to, last]
  }
  const cut = lengths.length > 0
  for (const file of files) {
    const { from, to, imports } = file
    const [begin, end] = cut ? file.units : [0, 0]
    add(from, begin)
    const there = imports.flatMap((name) => places.get(name) ?? []).sort((a, b) => a.from - b.from)
    const first = lookup === 'imports' ? Int32Array.from(there.flatMap((one) => [one.from, one.to])) : new Int32Array()
    add(to, end, { before: from, first })
    places.set(file.file, file)
  }
  add(tokens.length, lengths.length)
  return parts
}
