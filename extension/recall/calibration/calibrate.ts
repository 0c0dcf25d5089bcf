/**
 * Calibration: which heads of a model find code, how much each counts, at what distance questions are asked and against which
 * bank, from the documented functions of repositories. The same files, model and seed give the same profile, byte by byte.
 *
 * Files are read once with every head up to a layer limit, and kept as segments, so that a second calibration only asks. The
 * distance is chosen by some of the questions against the general bank, then the bank by all of them; both by questions that
 * were held out, and neither leaves what serves the default model for a gain within the noise.
 */
import { cancelled, nothingFound, tooFewQuestions } from '../../errors'
import type { CalibrationFigures, Progress } from '../../protocol/types'
import { Memory, type LoadedModel } from '../memory'
import type { Profile, RecallHead } from '../profile'
import { ProgressMeter } from '../progress'
import type { Corpus } from './corpus'
import { Asker, bytesPerToken, HeardQuestions, wideProfile, type Step } from './features'
import { fitHeads, type FitOptions } from './fit'
import { bestBeyond, fittedRanks, heldOut, lexicalWeights, mean, wordRanks, type AskedExample } from './held-out'
import { normalised, sample } from './questions'

export interface CalibrationOptions {
  readonly corpora: readonly Corpus[]
  readonly seed: number
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
  /** Where segments of the wide profile are kept. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly log: (message: string) => void
  readonly step: Step
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
  return new Calibration(loaded, corpora, options).run()
}

class Calibration {
  private readonly wide: Profile
  private readonly fit: FitOptions
  private meter: ProgressMeter
  private done = 0
  private work = 0

  constructor(
    private readonly loaded: Omit<LoadedModel, 'profile'>,
    private readonly corpora: readonly Corpus[],
    private readonly options: CalibrationOptions,
  ) {
    this.wide = wideProfile(loaded.model, options.base, options.layers)
    this.fit = { seed: options.seed, keep: options.heads, units: unitsPerQuestion }
    this.meter = this.newMeter()
  }

  async run(): Promise<{ profile: Profile; figures: CalibrationFigures }> {
    const { base, seed } = this.options
    await this.read()
    const general = base.bank.slice(0, generalQuestions)
    const pool = this.corpora.flatMap(({ questions }) => {
      const fit = questions.filter(({ question }) => /^(\S+\s+){5,24}\S+$/.test(question.trim()))
      return sample(fit, bankOfEach, seed).map(({ question }) => question)
    })
    const rest = unlike([...base.bank.slice(generalQuestions), ...pool], general)
    const distances = this.options.distances.filter((distance) => distance <= this.loaded.model.info().trainedContext)
    if (distances.length === 0) distances.push(this.wide.distance)
    this.expect(distances.length, general.length, rest.length)
    this.meter = this.newMeter()

    const tried: { distance: number; heldOut: number }[] = []
    if (distances.length > 1)
      for (const distance of distances) {
        const [groups = []] = await this.ask(distance, [general], probes)
        tried.push({ distance, heldOut: (await this.heldOut(groups)).mean })
      }
    const chosen = bestBeyond(
      tried.map((one) => one.heldOut),
      distanceMargin,
    )
    const distance = distances[chosen] ?? this.wide.distance

    const byBank = await this.ask(distance, [general, rest], Infinity)
    const held = []
    for (const groups of byBank) held.push(await this.heldOut(groups))
    const bankAt = bestBeyond(
      held.map((one) => one.mean),
      bankMargin,
    )
    const groups = byBank[bankAt] ?? []
    const honest = held[bankAt] ?? { groups: [], mean: 0, withWords: [] }
    const weights = await fitHeads(
      groups.map((group) => group.map(({ example }) => example)),
      this.wide.heads.length,
      this.fit,
      this.pause,
    )
    const heads = headsBy(weights, this.wide)
    if (heads.length === 0) throw nothingFound()
    const wordsAt = bestBeyond(honest.withWords, wordsMargin)
    const info = this.loaded.model.info()
    const bank = bankAt === 0 ? general : [...general, ...rest]
    const fitted = fittedRanks(groups, weights)
    const words = wordRanks(groups)
    const figures: CalibrationFigures = {
      distances: tried.map((one) => ({ ...one, heldOut: rounded(one.heldOut) })),
      banks: held.map((one, i) => ({
        questions: i === 0 ? general.length : general.length + rest.length,
        heldOut: rounded(one.mean),
      })),
      repositories: this.corpora.map(({ name, files, tokens }, i) => ({
        name,
        files: files.length,
        tokens,
        units: groups[i]?.[0]?.words.length ?? 0,
        questions: groups[i]?.length ?? 0,
        fitted: rounded(fitted[i] ?? 0),
        heldOut: rounded(honest.groups[i] ?? 0),
        words: rounded(words[i] ?? 0),
      })),
      mean: {
        fitted: rounded(mean(fitted)),
        heldOut: rounded(honest.mean),
        words: rounded(mean(words)),
        both: rounded(honest.withWords[wordsAt] ?? 0),
      },
      bytesPerToken: bytesPerToken(info, { heads, keyFormat: this.wide.keyFormat }),
    }
    const { name } = info
    const profile: Profile = {
      ...this.wide,
      name: name === '' ? info.architecture : name,
      made: { ...this.options.made, seed, figures },
      heads,
      distance,
      bank,
      lexicalWeight: lexicalWeights[wordsAt] ?? base.lexicalWeight,
    }
    return { profile, figures }
  }

  private async read(): Promise<void> {
    const meter = new ProgressMeter('read', 'tokens', this.options.progress)
    const total = this.corpora.reduce((sum, { tokens }) => sum + tokens, 0)
    let kept = 0
    let read = 0
    for (const corpus of this.corpora)
      await this.open(corpus, (tokens, reused, ended, file) => {
        // What is kept from before says nothing about how fast the rest will go.
        meter.report(read + (reused ? 0 : tokens), total - kept - (reused ? tokens : 0), `${corpus.name}: ${file}`)
        if (!ended) return
        if (reused) kept += tokens
        else read += tokens
      })
  }

  private async open(
    corpus: Corpus,
    onTokens: (tokens: number, reused: boolean, ended: boolean, file: string) => void = () => undefined,
  ): Promise<Memory> {
    const { folder, progress, log } = this.options
    const memory = new Memory(corpus.root, { ...this.loaded, profile: this.wide })
    for (const { file, text, tokens } of corpus.files) {
      const { reused } = await this.options.step((signal) =>
        memory.readFile(
          file,
          text,
          { breadcrumbs: true, folder, signal, progress, log },
          { onTokens: (now) => onTokens(now, false, false, file), onHeard: () => undefined },
        ),
      )
      onTokens(tokens, reused, true, file)
    }
    return memory
  }

  /** For each of the banks, given as what it adds to the one before: the examples of every repository. */
  private async ask(
    distance: number,
    banks: readonly (readonly string[])[],
    most: number,
  ): Promise<AskedExample[][][]> {
    const result = banks.map((): AskedExample[][] => [])
    const heard = new HeardQuestions()
    const loaded = { ...this.loaded, profile: { ...this.wide, distance } }
    for (const corpus of this.corpora) {
      const memory = await this.open(corpus)
      const asker = new Asker(memory, loaded, this.options.step, heard)
      // A question that this repository is asked would be standardised against itself.
      const statistics = await asker.banks(
        banks.map((questions) => unlike(questions, corpus.own)),
        this.asked,
      )
      for (const groups of result) groups.push([])
      for (const question of sample(corpus.questions, most, this.options.seed)) {
        const example = await asker.example(question, statistics)
        this.asked()
        example?.byBank.forEach((one, i) => result[i]?.at(-1)?.push({ example: one, words: example.words }))
      }
    }
    return result
  }

  private heldOut(groups: readonly (readonly AskedExample[])[]) {
    return heldOut(groups, this.wide.heads.length, this.fit, this.pause)
  }

  private newMeter(): ProgressMeter {
    return new ProgressMeter('calibrate', 'questions', this.options.progress)
  }

  private expect(distances: number, general: number, rest: number): void {
    for (const { questions } of this.corpora) {
      if (distances > 1) this.work += distances * (general + Math.min(probes, questions.length))
      this.work += general + rest + questions.length
    }
  }

  private readonly asked = () => this.meter.report(++this.done, this.work)

  /** Lets the process hear what others want of it. */
  private readonly pause = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (this.options.signal.aborted) throw cancelled()
  }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000

/** Those of `questions`, each once, that are none of `others`. */
function unlike(questions: readonly string[], others: readonly string[]): string[] {
  const seen = new Set(others.map(normalised))
  return questions.filter((question) => {
    const known = seen.has(normalised(question))
    seen.add(normalised(question))
    return !known
  })
}

/** The heads that are kept, the weightiest first; weights sum to 1. */
function headsBy(weights: Float64Array, wide: Profile): RecallHead[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return wide.heads
    .map(({ layer, head }, i) => ({ layer, head, weight: Math.round(((weights[i] ?? 0) / sum) * 1e4) / 1e4 }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
}
