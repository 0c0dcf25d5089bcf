/**
 * What the heads of a model see of a calibration's questions: the memory of a repository with every head up to a layer limit,
 * and each question's score of each unit by each head, as recall computes it (attention.ts). The bank's statistics are taken
 * by asking its questions, not while reading: so what is read serves every bank and every distance.
 */
import { cancellable, type ModelInfo, type NativeModel, type Scores } from '../../engine/addon'
import type { LoadedModel } from '../loaded'
import type { Memory } from '../memory'
import { headScores } from '../attention'
import type { Profile } from '../profile'
import { hear, tokenWeights, type HeardQuestion } from '../question'
import { wordScores } from '../recall'
import { toStep, type Example } from './fit'
import { goldUnits, type LabelledQuestion } from './questions'

/** Heads of the first 19 of 30 layers found what those of all 30 found (profile.ts); reading stops after the deepest. */
const usefulLayers = 19 / 30

/** Every head up to `layers` (0: as many as were of use), with no bank. `base` says how questions are written and keys kept. */
export function wideProfile(model: Pick<NativeModel, 'info' | 'chat'>, base: Profile, layers: number): Profile {
  const info = model.info()
  const deepest = layers > 0 ? Math.min(layers, info.layers) : Math.ceil(info.layers * usefulLayers)
  const heads = Array.from({ length: deepest * info.heads }, (_, i) => ({
    layer: Math.floor(i / info.heads),
    head: i % info.heads,
    weight: 1,
  }))
  return {
    ...base,
    shape: { layers: info.layers, heads: info.heads, embedding: info.embedding },
    heads,
    bank: [],
    distance: Math.min(base.distance, info.trainedContext),
    window: Math.min(base.window, info.trainedContext),
    prompt: { ...base.prompt, before: opening(model) },
  }
}

/** What the model's chat template writes before a user's first word; nothing where it has no template. */
function opening(model: Pick<NativeModel, 'chat'>): string {
  const placeholder = '\u0001QUESTION\u0001'
  try {
    const [before, after] = model.chat([{ role: 'user', content: placeholder }]).split(placeholder)
    return after === undefined ? '' : (before ?? '')
  } catch {
    return ''
  }
}

/** Bytes of keys that these heads cost for each token: query heads that share a key head share its bytes. */
export function bytesPerToken(
  info: Pick<ModelInfo, 'heads' | 'keyHeads' | 'headSize'>,
  { heads, keyFormat }: Pick<Profile, 'heads' | 'keyFormat'>,
): number {
  const group = info.heads / info.keyHeads
  const keyHeads = new Set(heads.map(({ layer, head }) => `${layer} ${Math.floor(head / group)}`))
  // 8-bit keys have an F32 scale each.
  return keyHeads.size * (keyFormat === 'q8' ? info.headSize + 4 : 2 * info.headSize)
}

/** Does one piece of work with the model; it may be begun again when others need the model first. */
export type Step = <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** Mean and deviation of the reference questions' masses, [head][unit], as they are added one by one. */
export class BankStatistics {
  private readonly sums: Float64Array
  private readonly squares: Float64Array
  private questions = 0

  constructor(
    readonly heads: number,
    readonly units: number,
  ) {
    this.sums = new Float64Array(heads * units)
    this.squares = new Float64Array(heads * units)
  }

  /** `masses` [head][token][unit]. */
  add(masses: Float32Array, tokens: number): void {
    this.questions++
    for (let head = 0; head < this.heads; head++)
      for (let unit = 0; unit < this.units; unit++) {
        let mean = 0
        for (let token = 0; token < tokens; token++) mean += masses[(head * tokens + token) * this.units + unit] ?? 0
        mean /= tokens
        // A unit without tokens has no mass.
        if (!Number.isFinite(mean)) continue
        const at = head * this.units + unit
        this.sums[at] = (this.sums[at] ?? 0) + mean
        this.squares[at] = (this.squares[at] ?? 0) + mean * mean
      }
  }

  take(): Pick<Scores, 'bankMean' | 'bankDeviation'> {
    const bankMean = Float32Array.from(this.sums, (sum) => sum / this.questions)
    const bankDeviation = Float32Array.from(this.squares, (squares, i) => {
      const mean = (this.sums[i] ?? 0) / this.questions
      return Math.sqrt(Math.max(0, squares / this.questions - mean * mean))
    })
    return { bankMean, bankDeviation }
  }
}

/** Asks one memory questions, all heads at once, at one distance. */
export class Asker {
  constructor(
    private readonly memory: Memory,
    /** With the distance of these questions in its profile. */
    private readonly loaded: LoadedModel,
    private readonly step: Step,
    /** Questions heard before, by text; shared by the askers of one model and distance. */
    private readonly heard: HeardQuestions,
  ) {}

  async masses(question: string): Promise<{ heard: HeardQuestion; masses: Float32Array }> {
    return this.step(async (signal) => {
      const heard = await this.heard.get(this.loaded, question, signal)
      const { masses } = await cancellable(this.loaded.addon, signal, (cancel) =>
        this.memory.store.score(this.memory.files(), heard.queries, heard.tokens, this.loaded.threads, cancel),
      )
      return { heard, masses }
    })
  }

  /** Statistics over each of the banks; they are given as what each adds to the one before. */
  async banks(
    added: readonly (readonly string[])[],
    onAsked: () => void,
  ): Promise<Pick<Scores, 'bankMean' | 'bankDeviation'>[]> {
    const statistics = new BankStatistics(this.loaded.profile.heads.length, this.memory.units().length)
    const taken = []
    for (const questions of added) {
      for (const question of questions) {
        const { heard, masses } = await this.masses(question)
        statistics.add(masses, heard.tokens)
        onAsked()
      }
      taken.push(statistics.take())
    }
    return taken
  }

  /** The question against each of the banks; undefined where no unit answers it. */
  async example(
    question: LabelledQuestion,
    banks: readonly Pick<Scores, 'bankMean' | 'bankDeviation'>[],
  ): Promise<AskedByBank | undefined> {
    const { profile } = this.loaded
    const units = this.memory.units()
    const gold = goldUnits(question, units)
    if (gold.size === 0) return undefined
    const { heard, masses } = await this.masses(question.question)
    const weights = tokenWeights(heard, this.memory.lexical, profile.rarityPower)
    const row = new Float32Array(units.length)
    const byBank = banks.map((bank): Example => {
      const features = new Int8Array(units.length * profile.heads.length)
      profile.heads.forEach((_, head) => {
        headScores({ masses, ...bank }, head, weights, row)
        row.forEach((z, unit) => (features[unit * profile.heads.length + head] = toStep(z)))
      })
      return { features, units: units.length, gold }
    })
    const words = await wordScores(this.memory, question.question, true)
    return { byBank, words }
  }
}

export interface AskedByBank {
  readonly byBank: readonly Example[]
  /** The lexical head's z-scores, by unit, with words that are near to the question's. */
  readonly words: Float32Array
}

/** Bytes of queries that are kept so as not to hear a reference question again for each repository. */
const mostHeardBytes = 256 << 20

export class HeardQuestions {
  private readonly kept = new Map<string, HeardQuestion>()
  private bytes = 0

  async get(loaded: LoadedModel, question: string, signal: AbortSignal): Promise<HeardQuestion> {
    const known = this.kept.get(question)
    if (known) return known
    const heard = await hear(loaded, question, signal)
    if (this.bytes + heard.queries.byteLength <= mostHeardBytes) {
      this.kept.set(question, heard)
      this.bytes += heard.queries.byteLength
    }
    return heard
  }
}
