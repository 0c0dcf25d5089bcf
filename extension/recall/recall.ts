/**
 * Recall: a question in, ranked units and files out, each with the score of every signal and the words that found it.
 * Attention over all stored keys and the lexical head score every unit; the best are read again and ranked by both.
 */
import { noProfile } from '../errors'
import type {
  FoundBy,
  QuestionOptions,
  RecalledUnit,
  RecallOptions,
  RecallResult,
  UnitReference,
} from '../protocol/types'
import { savedText } from '../workspace/discovery'
import { spread, standardise } from './attention'
import { bestFirst } from './best-first'
import { unitTexts } from './episode'
import { kinGain, nearer } from './kin'
import type { Memory } from './memory'
import { liesIn } from './places'
import { ProgressMeter, type ProgressTools } from './progress'
import { hear, tokenWeights, type HeardQuestion } from './question'
import { likelihoods } from './rerank'
import { joined } from './signals'
import { attend, type Attended } from './scoring'
import { Stages } from './stages'
import { questionWords } from './words'

/** Units that are read again. */
const rerankUnits = 32
/** What is begun within it ends after it: with the scores of 500,000 tokens, within six seconds. */
const rerankSeconds = 5.2
const rerankSpareSeconds = 1.5
/** Units whose finding words are told. */
const explained = 50

interface Candidate {
  readonly index: number
  score: number
  rerank?: number
}

/** Units from the best on. Of most of them nobody wants to know more than where they stand. */
class Ranking {
  /** Those that were looked at again, best first. */
  private again: readonly Candidate[] = []

  constructor(
    private readonly scores: Float32Array,
    /** By falling score. */
    private readonly order: Uint32Array,
  ) {}

  first(count: number): Candidate[] {
    const first: Candidate[] = []
    for (const candidate of this.all()) {
      if (first.length >= count) break
      first.push(candidate)
    }
    return first
  }

  /** All of them, best first. */
  *all(): Iterable<Candidate> {
    const { again } = this
    let next = 0
    for (let place = again.length; place < this.order.length; place++) {
      const index = this.order[place] ?? 0
      const score = this.scores[index] ?? 0
      for (; next < again.length && (again[next]?.score ?? 0) >= score; next++) yield again[next] as Candidate
      yield { index, score }
    }
    for (; next < again.length; next++) yield again[next] as Candidate
  }

  /** The first so many have other scores now. */
  putFirst(candidates: readonly Candidate[]): void {
    this.again = [...candidates].sort((a, b) => b.score - a.score)
  }
}

export async function recall(
  memory: Memory,
  question: string,
  options: RecallOptions & Pick<QuestionOptions, 'within'>,
  tools: ProgressTools,
): Promise<RecallResult> {
  const started = performance.now()
  const { loaded, lexical } = memory
  const { profile } = loaded
  const units = memory.units()
  if (units.length === 0 || question.trim() === '') return { question, units: [], files: [], ms: 0 }

  const stages = new Stages()
  const { within } = options
  const asked = (unit: UnitReference | undefined) => !within || (unit !== undefined && liesIn(unit, within))
  // Without recall heads (profile.ts, wordsOnly) there are words.
  const silent = profile.heads.length === 0
  if (silent && options.signals === 'attention') throw noProfile()
  const words =
    options.signals === 'attention'
      ? undefined
      : await wordScores(memory, question, options.signals === 'all' && !silent)
  stages.end('words')
  let attention: Float32Array | undefined
  /** Where set, the only units that can be found. */
  let exact: ReadonlySet<number> | undefined
  let explain: (chosen: readonly number[]) => FoundBy[][] = (chosen) => chosen.map(() => [])
  let attended: Attended | undefined
  try {
    if (options.signals !== 'lexical' && !silent) {
      const heard = await hear(loaded, question, tools.signal)
      stages.end('hear')
      const weights = tokenWeights(heard, lexical, options.rarity ? profile.rarityPower : 0)
      const rankings = (alone: Float32Array) => {
        const all = words ? [alone, joined(memory, question, { attention: alone, words })] : [alone]
        return all.map((scores) => scores.map((score, unit) => (asked(units[unit]) ? score : -Infinity)))
      }
      attended = await attend(memory, heard, weights, rankings, tools)
      const { scores, chosen, finds } = attended
      if (chosen) exact = new Set(chosen)
      attention = scores
      explain = (chosen) => finds(chosen).map((tokens) => foundBy(heard, tokens))
      stages.end('keys')
    }
    const total =
      options.signals === 'all'
        ? joined(memory, question, { attention, words })
        : (attention ?? words ?? new Float32Array())
    const order = bestFirst(total)
    const canBeFound = (index: number) => asked(units[index]) && (exact?.has(index) ?? true)
    const ranking = new Ranking(total, within || exact ? order.filter(canBeFound) : order)
    stages.end('join')
    if (options.rerank) {
      await rerank(memory, question, units, ranking, options.rerankSeconds ?? rerankSeconds, tools)
      stages.end('rerank')
    }
    const first = ranking.first(options.top)
    const reasons = explain(first.slice(0, explained).map(({ index }) => index))
    const top = first.map(({ index, score, rerank: again }, place): RecalledUnit => {
      const unit = units[index] as UnitReference
      return {
        ...unit,
        score,
        signals: {
          ...(attention ? { attention: attention[index] ?? 0 } : {}),
          ...(words ? { lexical: words[index] ?? 0 } : {}),
          ...(again === undefined ? {} : { rerank: again }),
        },
        foundBy: reasons[place] ?? [],
      }
    })
    const files = bestFiles(units, ranking, options.top)
    stages.end('tell')
    return { question, units: top, files, ms: performance.now() - started, stages: stages.times() }
  } finally {
    attended?.dispose()
  }
}

/** Z-scores of the lexical head, which also takes words that the model holds near to the question's; more so beside attention. */
export async function wordScores(memory: Memory, question: string, besideAttention: boolean): Promise<Float32Array> {
  const { lexical } = memory
  const files = memory.files()
  const terms = questionWords(question).flatMap((word) => word.terms)
  const kin = await memory.kin.of(terms, lexical)
  const gain = besideAttention ? kinGain(lexical.coverage(files, question)) : 1
  return standardise(lexical.score(files, question, (term) => nearer(kin.get(term) ?? [], gain)))
}

/** Reads the best units again and sorts them by what both say. */
async function rerank(
  memory: Memory,
  question: string,
  units: readonly UnitReference[],
  ranking: Ranking,
  seconds: number,
  tools: ProgressTools,
): Promise<void> {
  const best = ranking.first(rerankUnits)
  const texts = await textsOf(
    memory,
    best.map(({ index }) => units[index] as UnitReference),
  )
  const meter = new ProgressMeter('rerank', 'units', tools.progress)
  const found = await likelihoods(
    memory.loaded,
    question,
    best.map(({ index }, i) => ({ unit: units[index] as UnitReference, text: texts[i] ?? '' })),
    {
      seconds,
      spareSeconds: rerankSpareSeconds,
      signal: tools.signal,
      progress: (done) => meter.report(done, best.length),
    },
  )
  const read = best.filter((_, i) => !Number.isNaN(found[i]))
  const again = standardise(Float32Array.from(read, (_, i) => found[i] ?? 0))
  // In deviations over all units, like the scores: reading moves a candidate by as much as the candidates differ anyway.
  const { deviation } = spread(Float32Array.from(read, ({ score }) => score))
  read.forEach((candidate, i) => {
    candidate.rerank = again[i] ?? 0
    candidate.score += memory.loaded.profile.rerankWeight * deviation * candidate.rerank
  })
  ranking.putFirst(best)
}

type Texts = Pick<Memory, 'root' | 'unsaved' | 'isRead'>

/** A file's text as it is now, unsaved or on disk; empty where it has gone. */
export const textOf = async (memory: Texts, file: string): Promise<string> =>
  memory.unsaved(file) ?? (await savedText(memory.root, file, (text) => memory.isRead(file, text)))

/** The same of units. */
export async function textsOf(memory: Texts, units: readonly UnitReference[]): Promise<string[]> {
  const names = [...new Set(units.map(({ file }) => file))]
  const files = new Map(await Promise.all(names.map(async (file) => [file, await textOf(memory, file)] as const)))
  return units.map((unit) => unitTexts(files.get(unit.file) ?? '', [unit])[0] ?? '')
}

/** A file is as good as its best unit, to which the others have lent a part. */
function bestFiles(units: readonly UnitReference[], ranking: Ranking, top: number) {
  const files = new Map<string, number>()
  for (const { index, score } of ranking.all()) {
    const file = units[index]?.file ?? ''
    if (!files.has(file)) files.set(file, score)
    if (files.size === top) break
  }
  return [...files].map(([file, score]) => ({ file, score }))
}

function foundBy(heard: HeardQuestion, tokens: Float32Array): FoundBy[] {
  const shares = new Map<string, number>()
  let sum = 0
  for (let t = 0; t < heard.tokens; t++) {
    const word = heard.words[heard.wordOf[t] ?? -1]?.word
    const share = Math.max(0, tokens[t] ?? 0)
    if (word === undefined || share === 0) continue
    shares.set(word, (shares.get(word) ?? 0) + share)
    sum += share
  }
  return [...shares]
    .map(([word, share]) => ({ word, share: share / sum }))
    .filter(({ share }) => share >= 0.05)
    .sort((a, b) => b.share - a.share)
}
