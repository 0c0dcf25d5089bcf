/**
 * How alike two pieces of code are: BLEU (Papineni et al. 2002) of one to four words or signs in a row, with one added to each count
 * above one word (Lin and Och 2004), from 0 to 1. RepoQA (arXiv 2406.06025) takes an answer for the function that it is most like by
 * BLEU, and wants at least .8.
 */
export const alikeEnough = 0.8

const wordsOf = (code: string): string[] => code.match(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? []

function grams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(' ')
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}

export function similarity(said: string, reference: string): number {
  const [mine, other] = [wordsOf(said), wordsOf(reference)]
  if (mine.length === 0 || other.length === 0) return 0
  let sum = 0
  for (let n = 1; n <= 4; n++) {
    const there = grams(other, n)
    let [common, all] = [0, 0]
    for (const [gram, count] of grams(mine, n)) {
      common += Math.min(count, there.get(gram) ?? 0)
      all += count
    }
    const added = n > 1 ? 1 : 0
    if (common + added === 0) return 0
    sum += Math.log((common + added) / (all + added)) / 4
  }
  return Math.exp(Math.min(0, 1 - other.length / mine.length) + sum)
}

/** The part of a text that has as many words as another: an answer goes on after the function. */
export function asLongAs(text: string, other: string): string {
  const all = [...text.matchAll(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu)]
  const last = all[Math.min(all.length, wordsOf(other).length) - 1]
  return last ? text.slice(0, last.index + last[0].length) : ''
}
