/**
 * A profile: which heads of a model find code, how much each counts, and what they are standardised against. Those of the default
 * model and of gemma3-270m ship in profiles/, with the command that made them and what it said of them; `longread calibrate` makes
 * one for any other, and `--profile FILE` takes it.
 *
 * The default's on the ten development repositories, which had no part in it, unit MRR (file MRR), mean: attention alone .393 (.625),
 * all signals .527 (.792); the one before (nine repositories whole, by a prototype; 139 reference questions, distance 256): .360 (.586)
 * and .517 (.778). Questions without shared words, six repositories: .057 (.243) and .108 (.359), before .032 (.194) and .112
 * (.342). With a prototype on seven of them: rarity to the power 1/2 .390, 0 .369, 1 .386, 2 .337; the best 20 heads instead of all
 * .387 for .390; heads up to layer 24 or 30 .380 and .381; standardising each token by itself .381; damping large scores .373.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Head, KeyFormat, ModelInfo } from '../engine/addon'
import { badProfile } from '../errors'
import type { AnsweringFigures, CalibrationFigures } from '../protocol/types'
import gemma3 from './profiles/gemma3-270m.json'
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
  /** A question word counts as its rarity in the repository to this power. */
  readonly rarityPower: number
  readonly window: number
  readonly sinks: number
  /** 8 bits cost nearly nothing: unit MRR on commander .440, with F16 and twice the bytes .445. */
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
  /** What made it: the command, its seed and corpus, and the figures it gave. Nothing depends on it. */
  readonly made?: Calibrated
  /** How much the likelihood of the question counts, for the units that are read again. */
  readonly rerankWeight: number
  /** Which way the model answers better (infllm/choice.ts). */
  readonly answered?: AnsweringFigures
}

export interface Calibrated {
  readonly command: string
  /** Budget of tokens for each repository. */
  readonly tokens: number
  readonly seed: number
  readonly figures: CalibrationFigures
}

/** The query heads of a profile without their weights: what a store keeps keys for. */
export const headsOf = (profile: Profile): Head[] => profile.heads.map(({ layer, head }) => ({ layer, head }))

/** Everything that changes the stored bytes: part of the name of a segment. */
export function profileKey(profile: Profile): string {
  const { window, sinks, keyFormat, bank, prompt, distance } = profile
  const stored = { heads: headsOf(profile), window, sinks, keyFormat, bank, prompt, distance }
  return createHash('sha256').update(JSON.stringify(stored)).digest('hex').slice(0, 16)
}

const shipped: readonly Profile[] = [smollm2 as Profile, gemma3 as Profile]

/** What calibrations start from: its prompt, window, key format and reference questions are no model's own. */
export const defaultProfile: Profile = smollm2 as Profile

/** The profile that ships for a model of this shape, if one does. */
export function profileFor(info: ModelInfo, profiles: readonly Profile[] = shipped): Profile | undefined {
  const fits = ({ shape }: Profile) =>
    shape.layers === info.layers && shape.heads === info.heads && shape.embedding === info.embedding
  return profiles.find(fits)
}

/** Nobody knows which heads of this model find code: words find it, and reading again. */
export const wordsOnly = ({ layers, heads, embedding }: ModelInfo): Profile => ({
  ...defaultProfile,
  name: 'words only',
  shape: { layers, heads, embedding },
  heads: [],
  bank: [],
})

/** A profile of one's own from disk. Throws bad-profile with what is wrong with it. */
export async function readProfile(file: string, info: ModelInfo): Promise<Profile> {
  let read: unknown
  try {
    read = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    throw badProfile(file, cause instanceof Error ? cause.message : String(cause))
  }
  const problem = problemOf(read, info)
  if (problem !== undefined) throw badProfile(file, problem)
  return read as Profile
}

function problemOf(read: unknown, info: ModelInfo): string | undefined {
  if (typeof read !== 'object' || read === null) return 'it is not an object'
  const profile = read as Partial<Record<keyof Profile, unknown>>
  const whole = (value: unknown, least: number, most: number): boolean =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
  const amount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1000
  const shape = profile.shape as Partial<Profile['shape']> | undefined
  if (shape?.layers !== info.layers || shape.heads !== info.heads || shape.embedding !== info.embedding)
    return `its shape is not that of the model (${info.layers} layers of ${info.heads} heads, embedding ${info.embedding})`
  if (typeof profile.name !== 'string') return 'it has no name'
  const { heads, bank } = profile
  if (!Array.isArray(heads) || heads.length === 0) return 'it has no heads'
  for (const { layer, head, weight } of heads as Partial<RecallHead>[])
    if (!whole(layer, 0, info.layers - 1) || !whole(head, 0, info.heads - 1) || !amount(weight))
      return 'a head is not {"layer", "head", "weight"} with numbers that the model has'
  if (new Set((heads as RecallHead[]).map(({ layer, head }) => `${layer} ${head}`)).size < heads.length)
    return 'it names a head twice'
  if (!Array.isArray(bank) || bank.length < 2 || !bank.every((text) => typeof text === 'string' && text.trim() !== ''))
    return 'its bank is not a list of at least two questions'
  const prompt = profile.prompt as Partial<Profile['prompt']> | undefined
  if (typeof prompt?.before !== 'string' || typeof prompt.between !== 'string')
    return 'its prompt is not {"before", "between"}'
  if (!whole(profile.distance, 0, info.trainedContext) || !whole(profile.window, 1, info.trainedContext))
    return 'its distance or window is not one that the model was trained for'
  if (!whole(profile.sinks, 0, 1024)) return 'its sinks are not a whole number from 0 to 1024'
  if (profile.keyFormat !== 'f16' && profile.keyFormat !== 'q8') return 'its keyFormat is neither f16 nor q8'
  for (const name of ['rarityPower', 'lexicalWeight', 'rerankWeight'] as const)
    if (!amount(profile[name])) return `its ${name} is not a number from 0 to 1000`
  return undefined
}
