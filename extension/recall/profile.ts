/**
 * A profile: which heads of a model find code, how much each counts, and what they are standardised against. Made by
 * `longread bench recall --calibrate`; the default model's ships in profiles/.
 */
import { createHash } from 'node:crypto'
import type { Head, KeyFormat, ModelInfo } from '../engine/addon'
import { LongreadError } from '../errors'
import smollm2 from './profiles/smollm2-135m.json'

export interface RecallHead extends Head {
  /** Not negative; the weights sum to 1. */
  readonly weight: number
}

export interface Profile {
  /** Layers, heads and embedding of the model that it was made for; a model of another shape refuses it. */
  readonly shape: { readonly layers: number; readonly heads: number; readonly embedding: number }
  readonly name: string
  readonly heads: readonly RecallHead[]
  /** Position to which every query is rotated; stored keys are not rotated. */
  readonly distance: number
  readonly window: number
  readonly sinks: number
  readonly keyFormat: KeyFormat
  /**
   * The question is written twice, and its second time is what is listened to: only there has each word heard those after it
   * (repetition for embeddings of causal models: arXiv 2402.15449).
   */
  readonly prompt: { readonly before: string; readonly between: string }
  /** Reference questions: what a unit answers to anyway. */
  readonly bank: readonly string[]
  /** How much the lexical head's z-score counts beside that of attention. */
  readonly lexicalWeight: number
  /** How much the likelihood of the question counts, for the units that are read again. */
  readonly rerankWeight: number
}

/** The query heads of a profile without their weights: what a store keeps keys for. */
export const headsOf = (profile: Profile): Head[] => profile.heads.map(({ layer, head }) => ({ layer, head }))

/** Everything that changes the stored bytes: part of the name of a segment. */
export function profileKey(profile: Profile): string {
  const { window, sinks, keyFormat, bank, prompt, distance } = profile
  const stored = { heads: headsOf(profile), window, sinks, keyFormat, bank, prompt, distance }
  return createHash('sha256').update(JSON.stringify(stored)).digest('hex').slice(0, 16)
}

const shipped: readonly Profile[] = [smollm2 as Profile]

/** The profile that ships for a model of this shape. Throws bad-model where there is none. */
export function profileFor(info: ModelInfo, profiles: readonly Profile[] = shipped): Profile {
  const fits = ({ shape }: Profile) =>
    shape.layers === info.layers && shape.heads === info.heads && shape.embedding === info.embedding
  const profile = profiles.find(fits)
  if (profile) return profile
  throw new LongreadError(
    'bad-model',
    `There is no profile for ${info.name || info.architecture} (${info.layers} layers of ${info.heads} heads) yet: nobody has measured which of its heads find code. Use smollm2-135m.`,
  )
}
