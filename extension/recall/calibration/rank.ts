/** Where a ranking puts what answers a question. */

/**
 * The rank of the best gold item, from 1. Items of equal score share the mean of their ranks: a ranker that cannot tell
 * items apart must not gain from the order it was given them in. A score that is not a number counts as the lowest.
 */
export function rankOf(scores: ArrayLike<number>, isGold: (index: number) => boolean): number {
  const value = (index: number): number => {
    const score = scores[index] ?? NaN
    return Number.isNaN(score) ? -Infinity : score
  }
  let best = -Infinity
  let any = false
  for (let index = 0; index < scores.length; index++) {
    if (!isGold(index)) continue
    any = true
    best = Math.max(best, value(index))
  }
  if (!any) return Infinity
  let above = 0
  let equal = 0
  for (let index = 0; index < scores.length; index++) {
    const score = value(index)
    if (score > best) above++
    else if (score === best) equal++
  }
  return above + (equal + 1) / 2
}
