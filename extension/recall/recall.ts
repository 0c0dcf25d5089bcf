/**
 * Recall: a question in, ranked units and files out, each with the score of every signal and the words that found it.
 * Attention over all stored keys and the lexical head score every unit; the best are read again and ranked by both.
 */
import type { Scores } from '../engine/addon'
import { noProfile } from '../errors'
import type {
  FoundBy,
  Progress,
  QuestionOptions,
  RecalledUnit,
  RecallOptions,
  RecallResult,
  UnitReference,
} from '../protocol/types'
import { savedText } from '../workspace/discovery'
import { attentionScores, spread, standardise, tokenFinds } from './attention'
import { unitTexts } from './episode'
import { kinGain, nearer } from './kin'
import type { Memory } from './memory'
import { liesIn } from './places'
import { ProgressMeter } from './progress'
import { hear, tokenWeights, type HeardQuestion } from './question'
import { likelihoods } from './rerank'
import { joined } from './signals'
import { scoresOf } from './scoring'
import { questionWords } from './words'

/** Units that are read again. */
const rerankUnits = 32
/** What is begun within it ends after it: with the scores of 500,000 tokens, within six seconds. */
const rerankSeconds = 5.2
const rerankSpareSeconds = 1.5
/** Units whose finding words are told. */
const explained = 50

export interface RecallTools {
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
}

interface Candidate {
  readonly index: number
  score: number
  rerank?: number
}

export async function recall(
  memory: Memory,
  question: string,
  options: RecallOptions & Pick<QuestionOptions, 'within'>,
  tools: RecallTools,
): Promise<RecallResult> {
  const started = performance.now()
  const { loaded, lexical } = memory
  const { profile } = loaded
  const units = memory.units()
  if (units.length === 0 || question.trim() === '') return { question, units: [], files: [], ms: 0 }

  const { within } = options
  const asked = (unit: UnitReference | undefined) => !within || (unit !== undefined && liesIn(unit, within))
  // Without recall heads (profile.ts, wordsOnly) there are words.
  const silent = profile.heads.length === 0
  const words =
    options.signals === 'attention'
      ? undefined
      : await wordScores(memory, question, options.signals === 'all' && !silent)
  let attention: Float32Array | undefined
  /** Where set, the only units that can be found. */
  let exact: ReadonlySet<number> | undefined
  let explain: (chosen: readonly number[]) => FoundBy[][] = (chosen) => chosen.map(() => [])
  if (silent && options.signals === 'attention') throw noProfile()
  if (options.signals !== 'lexical' && !silent) {
    const heard = await hear(loaded, question, tools.signal)
    const weights = tokenWeights(heard, lexical, options.rarity ? profile.rarityPower : 0)
    const attend = (scores: Scores) => attentionScores(profile, scores, weights, units.length)
    const rank = (scores: Scores) => {
      const alone = attend(scores)
      const all = words ? [alone, joined(memory, question, { attention: alone, words })] : [alone]
      return all.map((scores) => scores.map((score, unit) => (asked(units[unit]) ? score : -Infinity)))
    }
    const { scores, chosen } = await scoresOf(memory, heard, rank, tools)
    if (chosen) exact = new Set(chosen)
    attention = attend(scores)
    explain = (chosen) =>
      tokenFinds(profile, scores, weights, units.length, chosen).map((tokens) => foundBy(heard, tokens))
  }
  const total =
    options.signals === 'all'
      ? joined(memory, question, { attention, words })
      : (attention ?? words ?? new Float32Array())
  const ranking = Array.from(total, (score, index): Candidate => ({ index, score })).filter(
    ({ index }) => asked(units[index]) && (exact?.has(index) ?? true),
  )
  ranking.sort((a, b) => b.score - a.score)
  if (options.rerank) await rerank(memory, question, units, ranking, options.rerankSeconds ?? rerankSeconds, tools)

  const first = ranking.slice(0, options.top)
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
  return { question, units: top, files: bestFiles(units, ranking, options.top), ms: performance.now() - started }
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
  ranking: Candidate[],
  seconds: number,
  tools: RecallTools,
): Promise<void> {
  const best = ranking.slice(0, rerankUnits)
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
  ranking.sort((a, b) => b.score - a.score)
}

type Texts = Pick<Memory, 'root' | 'unsaved'>

/** A file's text as it is now, unsaved or on disk; empty where it has gone. */
export const textOf = async ({ root, unsaved }: Texts, file: string): Promise<string> =>
  unsaved(file) ?? (await savedText(root, file))

/** The same of units. */
export async function textsOf(memory: Texts, units: readonly UnitReference[]): Promise<string[]> {
  const files = new Map<string, string>()
  for (const { file } of units) if (!files.has(file)) files.set(file, await textOf(memory, file))
  return units.map((unit) => unitTexts(files.get(unit.file) ?? '', [unit])[0] ?? '')
}

/** A file is as good as its best unit, to which the others have lent a part. */
function bestFiles(units: readonly UnitReference[], ranking: readonly Candidate[], top: number) {
  const files = new Map<string, number>()
  for (const { index, score } of ranking) {
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
