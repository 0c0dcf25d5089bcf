/**
 * The part of a calibration that uses the model: reads the corpora with every head, and asks them questions at one distance
 * against banks, with progress. Between the two nothing but segments is kept, so that a corpus of many repositories fits in memory.
 */
import type { Progress } from '../../protocol/types'
import type { LoadedModel } from '../loaded'
import { Memory } from '../memory'
import type { Profile } from '../profile'
import { ProgressMeter } from '../progress'
import type { Corpus } from './corpus'
import { Asker, HeardQuestions, type Step } from './features'
import type { AskedExample } from './held-out'
import { normalised, sample } from './questions'

export interface AskingOptions {
  readonly corpora: readonly Corpus[]
  readonly seed: number
  /** Every head that is tried, and no bank. */
  readonly wide: Profile
  /** Where segments of the wide profile are kept. */
  readonly folder: string
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly log: (message: string) => void
  readonly step: Step
}

/** One pass over all corpora: a bank, given as parts of which each is added to those before, and questions of each at most. */
export interface Pass {
  readonly distance: number
  readonly banks: readonly (readonly string[])[]
  readonly most: number
}

export class Asking {
  private meter: ProgressMeter | undefined
  private done = 0
  private work = 0

  constructor(
    private readonly loaded: Omit<LoadedModel, 'profile'>,
    private readonly options: AskingOptions,
  ) {}

  async read(): Promise<void> {
    const meter = new ProgressMeter('read', 'tokens', this.options.progress)
    const total = this.options.corpora.reduce((sum, { tokens }) => sum + tokens, 0)
    let kept = 0
    let read = 0
    for (const corpus of this.options.corpora) {
      const memory = await this.open(corpus, (tokens, reused, ended, file) => {
        // What is kept from before says nothing about how fast the rest will go.
        meter.report(read + (reused ? 0 : tokens), total - kept - (reused ? tokens : 0), `${corpus.name}: ${file}`)
        if (!ended) return
        if (reused) kept += tokens
        else read += tokens
      })
      await memory.close()
    }
  }

  private async open(
    corpus: Corpus,
    onTokens: (tokens: number, reused: boolean, ended: boolean, file: string) => void = () => undefined,
  ): Promise<Memory> {
    const { folder, progress, log, wide } = this.options
    const loaded = { ...this.loaded, profile: wide }
    const memory = await Memory.open(corpus.root, loaded, { breadcrumbs: true, folder, log })
    for (const { file, text, tokens } of corpus.files) {
      const { how } = await this.options.step((signal) =>
        memory.bring(
          { file, text },
          { signal, log },
          { onTokens: (now) => onTokens(now, false, false, file), onHeard: () => undefined, progress },
        ),
      )
      onTokens(tokens, how !== 'read', true, file)
    }
    return memory
  }

  /** Says which passes there will be, for the time to go. */
  expect(passes: readonly Pass[]): void {
    for (const { banks, most } of passes)
      for (const { questions, own } of this.options.corpora)
        this.work += unlike(banks.flat(), own).length + Math.min(most, questions.length)
  }

  /** For each part of the bank, with those before it: the examples of every corpus. */
  async ask({ distance, banks, most }: Pass): Promise<AskedExample[][][]> {
    const { corpora, wide, seed, step } = this.options
    this.meter ??= new ProgressMeter('calibrate', 'questions', this.options.progress)
    const asked = () => this.meter?.report(++this.done, this.work)
    const result = banks.map((): AskedExample[][] => [])
    const heard = new HeardQuestions()
    const loaded = { ...this.loaded, profile: { ...wide, distance } }
    for (const corpus of corpora) {
      const memory = await this.open(corpus)
      try {
        const asker = new Asker(memory, loaded, step, heard)
        // A question that this repository is asked would be standardised against itself.
        const statistics = await asker.banks(
          banks.map((questions) => unlike(questions, corpus.own)),
          asked,
        )
        for (const groups of result) groups.push([])
        for (const question of sample(corpus.questions, most, seed)) {
          const example = await asker.example(question, statistics)
          asked()
          example?.byBank.forEach((one, i) => result[i]?.at(-1)?.push({ example: one, words: example.words }))
        }
      } finally {
        await memory.close()
      }
    }
    return result
  }
}

/** Those of `questions`, each once, that are none of `others`. */
export function unlike(questions: readonly string[], others: readonly string[]): string[] {
  const seen = new Set(others.map(normalised))
  return questions.filter((question) => {
    const known = seen.has(normalised(question))
    seen.add(normalised(question))
    return !known
  })
}
