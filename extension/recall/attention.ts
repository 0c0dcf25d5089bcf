/**
 * From masses to scores (findings): for each head the question's log masses are averaged over its tokens (late interaction),
 * standardised for every unit against the reference questions that were taken while the unit was read, standardised over all
 * units, weighted and summed. Which words found a unit falls out of the same numbers.
 */
import type { Scores } from '../engine/addon'
import type { Profile } from './profile'

/** Keeps a unit to which every reference question gives the same mass from being blown up. */
const leastDeviation = 0.05

/**
 * Subtracts the mean and divides by the deviation, in place; all zeros where there is no deviation. What is not finite says nothing:
 * it moves neither mean nor deviation and becomes 0, which is neutral.
 */
export function standardise(values: Float32Array): Float32Array {
  const { mean, deviation } = spread(values)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN
    values[i] = Number.isFinite(value) && deviation > 1e-9 ? (value - mean) / deviation : 0
  }
  return values
}

/** Mean and deviation of the finite ones of `count` values from `from` on. */
export function spread(values: Float32Array, from = 0, count = values.length): { mean: number; deviation: number } {
  let [sum, finite] = [0, 0]
  for (let i = from; i < from + count; i++) {
    const value = values[i] ?? NaN
    if (!Number.isFinite(value)) continue
    sum += value
    finite++
  }
  const mean = finite > 0 ? sum / finite : 0
  let squares = 0
  for (let i = from; i < from + count; i++) {
    const value = values[i] ?? NaN
    if (Number.isFinite(value)) squares += (value - mean) ** 2
  }
  return { mean, deviation: Math.sqrt(squares / Math.max(1, finite)) }
}

/**
 * What one head gives each unit: the mean over the question's tokens of the log mass, standardised for every unit against the
 * bank and then over all units. `weights` are the tokens' (they sum to 1); `row` [unit] is written and given back. A unit without
 * tokens, such as one that is not read yet, has mass -Infinity and gets 0.
 */
export function headScores(scores: Scores, head: number, weights: Float32Array, row: Float32Array): Float32Array {
  const units = row.length
  row.fill(0)
  weights.forEach((weight, token) => {
    const at = (head * weights.length + token) * units
    for (let u = 0; u < units; u++) row[u] = (row[u] ?? 0) + weight * (scores.masses[at + u] ?? NaN)
  })
  const bank = head * units
  for (let u = 0; u < units; u++) {
    const deviation = (scores.bankDeviation[bank + u] ?? 0) + leastDeviation
    row[u] = ((row[u] ?? 0) - (scores.bankMean[bank + u] ?? 0)) / deviation
  }
  return standardise(row)
}

/** A z-score for each unit; the store's heads are the profile's, in its order. */
export function attentionScores(profile: Profile, scores: Scores, weights: Float32Array, units: number): Float32Array {
  const total = new Float32Array(units)
  const row = new Float32Array(units)
  profile.heads.forEach(({ weight: headWeight }, head) => {
    headScores(scores, head, weights, row)
    for (let u = 0; u < units; u++) total[u] = (total[u] ?? 0) + headWeight * (row[u] ?? 0)
  })
  return standardise(total)
}

/**
 * For each of the `chosen` units and each token: how far above its average over all units the token's mass on this unit lies,
 * in deviations, weighted like the scores. [chosen unit][token]
 */
export function tokenFinds(
  profile: Profile,
  scores: Scores,
  weights: Float32Array,
  units: number,
  chosen: readonly number[],
): Float32Array[] {
  const finds = chosen.map(() => new Float32Array(weights.length))
  profile.heads.forEach(({ weight: headWeight }, head) => {
    weights.forEach((weight, token) => {
      const at = (head * weights.length + token) * units
      const { mean, deviation } = spread(scores.masses, at, units)
      if (deviation < 1e-9) return
      chosen.forEach((unit, i) => {
        const mass = scores.masses[at + unit] ?? NaN
        const find = finds[i]
        if (find && Number.isFinite(mass))
          find[token] = (find[token] ?? 0) + (headWeight * weight * (mass - mean)) / deviation
      })
    })
  })
  return finds
}
