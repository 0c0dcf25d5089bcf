/**
 * Chooses where a run of neighbouring pieces is cut: as few stretches as fit a size, cut where cutting costs least, of lengths
 * as even as that allows. The same dynamic programme splits long functions and merges imports, constants and one-line functions.
 */
import type { Lines, Size } from './lines'

/** A definition, section or paragraph of at most this size stays whole; a longer one is split. About 600 tokens: three fit the model's local window. */
export const wholeLimit: Size = { lines: 60, chars: 2400 }

/** Neighbours merge up to here: about 200 tokens, enough for attention to have something to hold on to. */
export const mergeLimit: Size = { lines: 20, chars: 800 }

/** A class with members of at most this size is one unit; a larger one is its head and a unit for each member. */
export const smallClassLimit: Size = { lines: 30, chars: 1200 }

/** A definition of at most so many lines may merge with its neighbours; a longer one is a unit of its own. */
export const fewLines = 3

/** Rows that are never cut. `cost` is that of a cut before it; a whole stretch costs 1. */
export interface Atom {
  readonly start: number
  readonly end: number
  readonly cost: number
}

/** What uneven stretches cost: less than one stretch more, more than an equally good cut elsewhere. */
const unevenness = 0.3

/** Groups `atoms`, which follow one another, so that each group of several fits `limit`; a larger atom stays alone. */
export function pack<A extends Atom>(lines: Lines, atoms: readonly A[], limit: Size): A[][] {
  // best[j]: the least cost of the first j atoms; from[j]: where the last group among them starts.
  const best: number[] = [0]
  const from: number[] = [0]
  for (let end = 1; end <= atoms.length; end++) {
    const last = atoms[end - 1]
    if (last === undefined) break
    best[end] = Infinity
    for (let start = end - 1; start >= 0; start--) {
      const first = atoms[start]
      if (first === undefined) break
      const { lines: rows, chars } = lines.size(first.start, last.end)
      const filled = Math.max(rows / limit.lines, chars / limit.chars)
      if (filled > 1 && start < end - 1) break
      const cost = (best[start] ?? 0) + 1 + (start > 0 ? first.cost : 0) + unevenness * Math.min(filled, 1) ** 2
      if (cost < (best[end] ?? Infinity)) {
        best[end] = cost
        from[end] = start
      }
    }
  }
  const groups: A[][] = []
  for (let end = atoms.length; end > 0; end = from[end] ?? 0) groups.push(atoms.slice(from[end], end))
  return groups.reverse()
}
