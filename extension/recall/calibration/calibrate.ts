/**
 * Calibration: which heads of a model find code, how much each counts, at what distance questions are asked and against which
 * bank, from the documented functions of repositories. The same files, model and seed give the same profile, byte by byte.
 *
 * Files are read once with every head up to a layer limit, and kept as segments, so that a second calibration only asks. The
 * distance is chosen by some of the questions against the general bank, then the bank by all of them; both by questions that
 * were held out, and neither leaves what serves the default model for a gain within the noise.
 *
 * Seen with the default model: `longread bench recall --calibrate commander rand requests --tokens 16000 --questions 60`, 129
 * questions over 314 units, gives unit MRR .604 held out (words alone .580, fitted .660). On marshmallow's src folder, which had no
 * part in it (`longread bench recall DIR --rankers bm25,attention --profile FILE`: 265 units, 50 questions), attention alone has
 * .431 by that profile, .407 by the one that ships, and BM25 .448; with 50 questions that is a draw.
 */
import { cancelled, nothingFound, tooFewQuestions } from '../../errors'
import type { CalibrationFigures } from '../../protocol/types'
import type { LoadedModel } from '../loaded'
import type { Profile, RecallHead } from '../profile'
import { Asking, unlike, type AskingOptions, type Pass } from './asking'
import type { Corpus } from './corpus'
import { bytesPerToken, wideProfile } from './features'
import { figuresOf } from './figures'
import { fitHeads, type FitOptions } from './fit'
import { bestBeyond, fittedRanks, heldOut, lexicalWeights, wordRanks, type AskedExample } from './held-out'
import { sample } from './questions'

export interface CalibrationOptions extends Omit<AskingOptions, 'wide'> {
  /** Layers whose heads are tried; 0: as many as are likely of use. */
  readonly layers: number
  /** Heads that are kept at most. */
  readonly heads: number
  /** Distances to choose among; the first one stays unless another is clearly better. */
  readonly distances: readonly number[]
  /** Whose prompt, key format, window and reference questions are taken over. */
  readonly base: Profile
  /** What made it, for the profile. */
  readonly made: { readonly command: string; readonly tokens: number }
}

/** Fewer questions than this fit their own noise. */
export const leastQuestions = 20
/** Of the default profile's bank the first were written by hand, about nothing in particular; the others come from repositories. */
const generalQuestions = 40
/** Questions of each repository that join the bank. */
const bankOfEach = 11
/** Questions of each repository that choose the distance. */
const probes = 24
/** Findings: distances from 64 to 512 lie within .02 of one another, so a smaller gain is noise. */
const distanceMargin = 0.02
/** A bank of three times the questions has to pay for hearing and storing it. */
const bankMargin = 0.01
const wordsMargin = 0.01
const unitsPerQuestion = 128

/** Rejects with `bad-corpus` where too little is documented or nothing is found, and with `cancelled`. */
export async function calibrate(
  loaded: Omit<LoadedModel, 'profile'>,
  options: CalibrationOptions,
): Promise<{ profile: Profile; figures: CalibrationFigures }> {
  const corpora = options.corpora.filter(({ questions }) => questions.length > 0)
  const asked = corpora.reduce((sum, { questions }) => sum + questions.length, 0)
  if (asked < leastQuestions) throw tooFewQuestions(asked, leastQuestions)
  const { base, seed, signal } = options
  const info = loaded.model.info()
  const wide = wideProfile(loaded.model, base, options.layers)
  const fit: FitOptions = { seed, keep: options.heads, units: unitsPerQuestion }
  const pause = async (): Promise<void> => {
    // Lets the process hear what others want of it.
    await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) throw cancelled()
  }
  const honestly = (groups: readonly AskedExample[][]) => heldOut(groups, wide.heads.length, fit, pause)
  const asking = new Asking(loaded, { ...options, corpora, wide })

  const [general, more] = bankOf(corpora, base, seed)
  const within = options.distances.filter((distance) => distance <= info.trainedContext)
  const distances = within.length > 0 ? within : [wide.distance]
  const tries = distances.map((distance): Pass => ({ distance, banks: [general], most: probes }))
  const last = (distance: number): Pass => ({ distance, banks: [general, more], most: Infinity })
  if (distances.length < 2) tries.length = 0
  asking.expect([...tries, last(0)])
  await asking.read()

  const tried: { distance: number; heldOut: number }[] = []
  for (const pass of tries) {
    const [groups = []] = await asking.ask(pass)
    tried.push({ distance: pass.distance, heldOut: (await honestly(groups)).mean })
  }
  const distance = distances[bestBeyond(tried.map(heldOutOf), distanceMargin)] ?? wide.distance

  const byBank = await asking.ask(last(distance))
  const held = []
  for (const groups of byBank) held.push(await honestly(groups))
  const banks = held.map(({ mean }, i) => ({ questions: general.length + i * more.length, heldOut: mean }))
  const bankAt = bestBeyond(banks.map(heldOutOf), bankMargin)
  const groups = byBank[bankAt] ?? []
  const honest = held[bankAt] ?? { groups: [], mean: 0, withWords: [] }
  const wordsAt = bestBeyond(honest.withWords, wordsMargin)

  const weights = await fitHeads(
    groups.map((group) => group.map(({ example }) => example)),
    wide.heads.length,
    fit,
    pause,
  )
  const heads = headsBy(weights, wide)
  if (heads.length === 0) throw nothingFound()
  const figures = figuresOf({
    ...{ corpora, distances: tried, banks, heldOut: honest, wordsAt },
    units: groups.map(([first]) => first?.words.length ?? 0),
    questions: groups.map((group) => group.length),
    fitted: fittedRanks(groups, weights),
    words: wordRanks(groups),
    bytesPerToken: bytesPerToken(info, { heads, keyFormat: wide.keyFormat }),
  })
  const profile: Profile = {
    ...wide,
    name: info.name === '' ? info.architecture : info.name,
    made: { ...options.made, seed, figures },
    ...{ heads, distance, bank: bankAt === 0 ? general : [...general, ...more] },
    lexicalWeight: lexicalWeights[wordsAt] ?? base.lexicalWeight,
  }
  return { profile, figures }
}

const heldOutOf = ({ heldOut }: { readonly heldOut: number }): number => heldOut

/** The general part of the bank, and what may be added to it: the default profile's other questions, and some of each corpus. */
function bankOf(corpora: readonly Corpus[], base: Profile, seed: number): [string[], string[]] {
  const general = base.bank.slice(0, generalQuestions)
  const own = corpora.flatMap(({ questions }) => {
    const middling = questions.filter(({ question }) => /^(\S+\s+){5,24}\S+$/.test(question.trim()))
    return sample(middling, bankOfEach, seed).map(({ question }) => question)
  })
  return [general, unlike([...base.bank.slice(generalQuestions), ...own], general)]
}

/** The heads that are kept, the weightiest first; weights sum to 1. */
function headsBy(weights: Float64Array, wide: Profile): RecallHead[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return wide.heads
    .map(({ layer, head }, i) => ({ layer, head, weight: Math.round(((weights[i] ?? 0) / sum) * 1e4) / 1e4 }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
}
