/**
 * InfLLM as plainly as its equations are written down (native/infllm/parameters.h), in double precision, over a model of random
 * weights: for every token a list of what it sees, for every part its own products, one softmax.
 */
import type { InfLlmParameters, UnitCandidates } from '../../extension/engine/addon'
import { rotate, runPlainly, type PlainRope } from './plain-model'
import type { RandomModel } from './random-model'

export interface PlainInfLlm {
  readonly model: RandomModel
  readonly tokens: Int32Array
  readonly parameters: Pick<
    InfLlmParameters,
    'nInit' | 'nLocal' | 'blockSize' | 'topk' | 'reprTopk' | 'excBlockSize' | 'perhead' | 'distance' | 'places'
  >
  /** Read one after the other, each with its own candidates; none: the whole text with all. */
  readonly parts?: readonly (UnitCandidates & { readonly tokens: number })[]
  /** Lengths of units, each at most blockSize; none: blocks. */
  readonly lengths: readonly number[]
  readonly rope: (layer: number) => PlainRope
  /** How many tokens a layer that slides by itself sees; 0 for one that does not. */
  readonly sliding: (layer: number) => number
  /**
   * [block][layer][list]: units that are used instead of those that score best, as an engine that computes less exactly chose them;
   * then `misses` tells how much worse they are.
   */
  readonly follow?: readonly (readonly (readonly ArrayLike<number>[])[])[]
}

interface Unit {
  readonly from: number
  readonly to: number
  /** By head. */
  readonly representative: readonly Float64Array[]
}

export interface PlainInfLlmResult {
  /** [token][vocabulary] */
  readonly logits: readonly Float64Array[]
  /** [block][layer][list], as the engine traces them. */
  readonly trace: readonly (readonly (readonly number[])[])[][]
  /**
   * Of each look-up that followed another choice: by how much the best unit that was not chosen, and should have been, scores above
   * the best that was chosen instead, as a share of what all scores span; 0 where the choice is the same.
   */
  readonly misses: readonly number[]
  /** The same for a choice that was not followed; Infinity where that block looks none up in that layer. */
  readonly missOf: (block: number, layer: number, units: readonly number[]) => number
}

export function readByUnits(options: PlainInfLlm): PlainInfLlmResult {
  const { model, tokens } = options
  const trace = blocksOf(options).map(() => Array.from({ length: model.layers }, (): (readonly number[])[] => []))
  const misses: number[] = []
  const asked = new Map<string, (units: readonly number[]) => number>()
  const { logits } = runPlainly(model, tokens, model.layers, true, (layer, queries, keys, values) =>
    attendLayer(options, layer, queries, keys, values, {
      used: (block, lists) => (trace[block]![layer] = lists),
      followed: (miss) => misses.push(miss),
      scored: (block, missOf) => asked.set(`${String(block)} ${String(layer)}`, missOf),
    }),
  )
  const missOf = (block: number, layer: number, units: readonly number[]) =>
    asked.get(`${String(block)} ${String(layer)}`)?.(units) ?? Infinity
  return { logits, trace, misses, missOf }
}

type Rows = readonly Float64Array[]

interface LookUpListener {
  used(block: number, lists: (readonly number[])[]): void
  followed(miss: number): void
  scored(block: number, missOf: (units: readonly number[]) => number): void
}

function attendLayer(
  options: PlainInfLlm,
  layer: number,
  queries: Rows,
  keys: Rows,
  values: Rows,
  told: LookUpListener,
): Float64Array[] {
  const { model, tokens, parameters: p, lengths, rope: ropeOf, sliding, follow } = options
  const { headSize: size, heads, keyHeads } = model
  const rope = ropeOf(layer)
  const own = sliding(layer)
  const wide = own > 0 ? Math.min(own, p.nLocal) : p.nLocal
  const turn = (row: Float64Array, position: number) => rotate(row, position, model, rope)
  const keyHeadOf = (head: number) => Math.floor((head * keyHeads) / heads)
  const product = (q: Float64Array, head: number, k: Float64Array) => {
    let sum = 0
    for (let d = 0; d < size; ++d) sum += q[head * size + d]! * k[keyHeadOf(head) * size + d]!
    return sum
  }
  const distance = p.distance > 0 ? p.distance : p.nLocal
  const result: Float64Array[] = []
  const received = Array.from({ length: heads }, () => new Float64Array(tokens.length))
  const units: Unit[] = []
  let [sinks, start, next] = [0, 0, 0]
  const left = [...lengths]
  const budget = p.topk * p.blockSize
  for (const [block, { from: first, end, among }] of blocksOf(options).entries()) {
    const far = Array.from({ length: heads }, (): number[] => [])
    if (own === 0 && (sinks > 0 || start > 0 || end > p.nLocal)) {
      const lists = Array.from({ length: p.perhead ? heads : 1 }, (_, list) => {
        const asking = p.perhead ? [list] : [...far.keys()]
        const scores = units.map((unit) => {
          let sum = 0
          for (let i = first; i < end; ++i) {
            const q = turn(queries[i]!, distance)
            for (const head of asking)
              for (let d = 0; d < size; ++d) sum += q[head * size + d]! * unit.representative[head]![d]!
          }
          return sum
        })
        const stands = units.map(({ from }) => standing(from, among))
        const best = [...units.keys()]
          .filter((unit) => stands[unit]! >= 0)
          .sort((a, b) => stands[b]! - stands[a]! || scores[b]! - scores[a]! || a - b)
        let room = budget
        const chosen = best.filter((unit) => {
          const length = units[unit]!.to - units[unit]!.from
          if (length > room) return false
          room -= length
          return true
        })
        const missed = (is: readonly number[]) =>
          is.some((unit) => stands[unit]! < 0) ? Infinity : missOf(scores, stands, chosen, is)
        told.scored(block, missed)
        const followed = follow?.[block]?.[layer]?.[list]
        if (followed) {
          told.followed(missed(Array.from(followed)))
          return Array.from(followed)
        }
        return chosen.sort((a, b) => a - b)
      })
      told.used(block, lists)
      far.forEach((seen, head) => {
        for (let j = 0; j < sinks; ++j) seen.push(j)
        for (const unit of lists[p.perhead ? head : 0]!)
          for (let j = units[unit]!.from; j < units[unit]!.to; ++j) seen.push(j)
      })
    }
    for (let i = first; i < end; ++i) {
      const mixed = new Float64Array(heads * size)
      const [q, qFar] = [turn(queries[i]!, i), turn(queries[i]!, distance)]
      for (let head = 0; head < heads; ++head) {
        const seen: { token: number; logit: number; near: boolean }[] = []
        const scale = 1 / Math.sqrt(size)
        const near = (token: number) =>
          seen.push({ token, logit: product(q, head, turn(keys[token]!, token)) * scale, near: true })
        if (p.places === 'ordered') {
          far[head]!.forEach((token, at) => {
            const position = start - far[head]!.length + at
            seen.push({ token, logit: product(q, head, turn(keys[token]!, position)) * scale, near: false })
          })
          const oldest = own > 0 || p.topk === 0 ? Math.max(start, i - wide + 1) : start
          for (let j = oldest; j <= i; ++j) near(j)
        } else {
          const rest: number[] = []
          if (own === 0 && p.topk > 0) for (let j = start; j <= i - p.nLocal; ++j) rest.push(j)
          for (const token of [...far[head]!, ...rest])
            seen.push({ token, logit: product(qFar, head, turn(keys[token]!, 0)) * scale, near: false })
          for (let j = Math.max(0, i - wide + 1); j <= i; ++j) near(j)
        }
        const most = Math.max(...seen.map(({ logit }) => logit))
        const total = seen.reduce((sum, { logit }) => sum + Math.exp(logit - most), 0)
        for (const { token, logit, near: isNear } of seen) {
          const share = Math.exp(logit - most) / total
          if (isNear) received[head]![token]! += share
          for (let d = 0; d < size; ++d) mixed[head * size + d]! += share * values[token]![keyHeadOf(head) * size + d]!
        }
      }
      result.push(mixed)
    }
    while (end - start > p.nLocal) {
      const beyond = end - start - p.nLocal
      if (sinks < p.nInit) {
        let moved = Math.min(p.nInit - sinks, beyond)
        sinks += moved
        start += moved
        while (moved > 0 && next < left.length) {
          const taken = Math.min(moved, left[next]!)
          moved -= taken
          if ((left[next]! -= taken) === 0) ++next
        }
        continue
      }
      if (p.topk === 0) {
        start += beyond
        continue
      }
      const length = left[next] ?? p.blockSize
      if (length > beyond) break
      const inUnit = Array.from({ length }, (_, i) => start + i)
      const representative = received.map((given, head) => {
        const best = [...inUnit].sort((a, b) => given[b]! - given[a]! || a - b).slice(0, p.reprTopk)
        return Float64Array.from(
          { length: size },
          (_, d) => best.reduce((sum, j) => sum + keys[j]![keyHeadOf(head) * size + d]!, 0) / best.length,
        )
      })
      units.push({ from: start, to: start + length, representative })
      start += length
      ++next
    }
  }
  return result
}

/** Execution blocks, which begin anew with each part. */
function blocksOf({ tokens, parameters: { excBlockSize }, parts }: PlainInfLlm) {
  const blocks: { from: number; end: number; among: UnitCandidates }[] = []
  let from = 0
  for (const { tokens: count, ...among } of parts ?? [{ tokens: tokens.length }])
    for (const last = from + count; from < last; from = blocks.at(-1)!.end)
      blocks.push({ from, end: Math.min(last, from + excBlockSize), among })
  return blocks
}

/** Of a unit that begins there: -1 where it may not be looked up, 1 where it comes before others, 0 for these. */
function standing(at: number, { before = Infinity, first = new Int32Array() }: UnitCandidates): number {
  if (at >= before) return -1
  return first.some((from, i) => i % 2 === 0 && from <= at && at < first[i + 1]!) ? 1 : 0
}

function missOf(
  all: readonly number[],
  stands: readonly number[],
  should: readonly number[],
  is: readonly number[],
): number {
  const most = Math.max(...all) - Math.min(...all)
  const scores = all.map((score, unit) => score + 2 * most * stands[unit]!)
  const best = (units: readonly number[]) => Math.max(...units.map((unit) => scores[unit]!))
  const [missing, instead] = [should.filter((unit) => !is.includes(unit)), is.filter((unit) => !should.includes(unit))]
  if (missing.length === 0 && instead.length === 0) return 0
  return missing.length === 0 || instead.length === 0 ? Infinity : Math.abs(best(missing) - best(instead)) / most
}
