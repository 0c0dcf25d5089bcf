/**
 * Measures rankers on repositories of the corpus, or on any folders, and prints unit and file figures for each.
 *
 *   longread bench recall [NAME|SPLIT|DIR …] [--questions FILE] [--rankers NAME,…]
 *     [--limit N] [--profile FILE] [--together] [--format text|markdown|json] [--svg FILE]
 *   longread bench recall --calibrate [NAME|SPLIT|DIR …] --out FILE   (calibrate.ts)
 *
 * --together measures the repositories of each SPLIT as one workspace.
 * Rankers: random, bm25, embedder; attention, lexical, signals and rerank run the command `longread recall`.
 * Without --questions the documentation of a repository's functions asks, and is taken out of what is read. FILE has one
 * `{"question", "file", "symbol"?, "startLine"?, "endLine"?, "repository"?}` a line; a folder is then read as it is.
 */
import { writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import type { Signals } from '../../../extension/protocol/types'
import { goldUnits, type LabelledQuestion } from '../../../extension/recall/calibration/questions'
import { bm25 } from './bm25'
import { barChart, type Bar } from './chart'
import { embedder } from './embedder'
import { readAsked, resolveQuestions, type AskedQuestion } from './hand-written'
import { evaluate, meanOf, ranksOf, type Ranks } from './metrics'
import { isOfCorpus, prepare, prepareTogether, type Prepared } from './prepare'
import { productRanker } from './product'
import { random } from './random'
import type { BenchUnit, Ranker } from './ranker'
import { markdownTable, means, textTable, type Measured } from './report'
import { loadUnits } from './workspace'

/** Makes a ranker for the folder that is read; those that need only the units' text are the same for all. */
export type RankerOf = (root: string, args?: readonly string[]) => Ranker

export interface BenchOptions {
  /** Names or splits of the corpus, or folders. */
  readonly what: readonly string[]
  readonly rankers: readonly RankerOf[]
  /** A file of questions; without one the repositories' own documentation asks. */
  readonly questions?: string
  /** At most so many questions a repository, the first of them. */
  readonly limit?: number
  /** All repositories that a name stands for as one workspace. */
  readonly together?: boolean
  readonly onMeasured?: (measured: Measured) => void
}

const product =
  (name: string, signals: Signals, rerank: boolean): RankerOf =>
  (root, args = []) =>
    productRanker(root, { name, signals, rerank, args })

export const rankers: Readonly<Record<string, RankerOf>> = {
  random: () => random,
  bm25: () => bm25,
  embedder: () => embedder,
  attention: product('Longread, attention alone', 'attention', false),
  lexical: product('Longread, words alone', 'lexical', false),
  signals: product('Longread, all signals', 'all', false),
  rerank: product('Longread, all with rerank', 'all', true),
}

type Asked = Omit<Prepared, 'folder'>

async function withOwnQuestions(what: string, asked: readonly AskedQuestion[]): Promise<Asked[]> {
  const places: Pick<Prepared, 'name' | 'tree'>[] = isOfCorpus(what)
    ? await prepare(what)
    : [{ name: path.basename(path.resolve(what)), tree: path.resolve(what) }]
  const resolved: Asked[] = []
  for (const { name, tree } of places) {
    const own = asked.filter(({ repository }) => repository === undefined || repository === name)
    if (own.length > 0) resolved.push({ name, tree, questions: await resolveQuestions(own, tree) })
  }
  return resolved
}

/** Ranks of the answers, question by question. An answer that no unit holds would be the bench's own mistake. */
export async function measure(
  ranker: Ranker,
  units: readonly BenchUnit[],
  questions: readonly LabelledQuestion[],
): Promise<{ ranks: Ranks[]; seconds: number }> {
  const { scores, seconds } = await ranker.rank(
    questions.map(({ question }) => question),
    units,
  )
  const ranks = questions.map((question, index) => {
    const gold = goldUnits(question, units)
    if (gold.size === 0) throw new Error(`No unit holds ${question.file}:${String(question.startLine)}.`)
    return ranksOf(units, { scores: scores[index]!, gold })
  })
  return { ranks, seconds }
}

export async function bench(options: BenchOptions): Promise<Measured[]> {
  const asked = options.questions === undefined ? undefined : await readAsked(options.questions)
  const measured: Measured[] = []
  for (const what of options.what) {
    let places: Asked[] = asked === undefined ? await prepare(what) : await withOwnQuestions(what, asked)
    if (options.together === true && places.length > 1) places = [await prepareTogether(what, places)]
    for (const { name, tree, questions: all } of places) {
      const units = await loadUnits(tree)
      const read = new Set(units.map(({ file }) => file))
      // A file that discovery leaves out, say for a secret in it, answers nothing.
      const questions = all.filter(({ file }) => read.has(file)).slice(0, options.limit)
      if (questions.length === 0) continue
      for (const rankerOf of options.rankers) {
        const ranker = rankerOf(tree)
        const { ranks, seconds } = await measure(ranker, units, questions)
        const one = { repository: name, ranker: ranker.name, evaluation: evaluate(ranks), units: units.length, seconds }
        measured.push(one)
        options.onMeasured?.(one)
      }
    }
  }
  return measured
}

/** `args` are further options of the command, for the rankers that run it. */
function chosenRankers(names: string, args: readonly string[]): RankerOf[] {
  return names.split(',').map((name) => {
    const ranker = rankers[name]
    if (ranker === undefined)
      throw new Error(`No ranker is called "${name}". There are ${Object.keys(rankers).join(', ')}.`)
    return (root) => ranker(root, args)
  })
}

/** The means over repositories as bars, the product's own in the accent colour. */
export function chartOf(measured: readonly Measured[], title: string): string {
  const bars = (value: (one: Measured) => number): Bar[] =>
    means(measured).map((one) => ({ label: one.ranker, value: value(one), accent: one.ranker.startsWith('Longread') }))
  const groups = [
    { name: 'unit MRR', bars: bars(({ evaluation }) => evaluation.unit.mrr) },
    { name: 'file MRR', bars: bars(({ evaluation }) => evaluation.file.mrr) },
  ]
  return barChart({ title, groups, maximum: 1 })
}

export async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--calibrate')) return (await import('./calibrate.js')).main(args)
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      questions: { type: 'string' },
      rankers: { type: 'string', default: 'random,bm25,embedder' },
      limit: { type: 'string' },
      profile: { type: 'string' },
      together: { type: 'boolean', default: false },
      svg: { type: 'string' },
      format: { type: 'string', default: 'text' },
    },
  })
  const measured = await bench({
    what: positionals.length === 0 ? ['test'] : positionals,
    rankers: chosenRankers(
      values.rankers,
      values.profile === undefined ? [] : ['--profile', path.resolve(values.profile)],
    ),
    together: values.together,
    ...(values.questions === undefined ? {} : { questions: values.questions }),
    ...(values.limit === undefined ? {} : { limit: Number(values.limit) }),
    onMeasured: ({ repository, ranker, evaluation: { unit, file } }) =>
      process.stderr.write(`${repository} ${ranker}: unit ${unit.mrr.toFixed(3)} file ${file.mrr.toFixed(3)}\n`),
  })
  if (values.svg !== undefined) {
    const repositories = new Set(measured.map(({ repository }) => repository)).size
    const questions = meanOf(
      measured.filter(({ ranker }) => ranker === measured[0]?.ranker).map(({ evaluation }) => evaluation),
    ).questions
    const title = `Finding the code that is meant: ${questions} questions, ${repositories} repositories`
    await writeFile(values.svg, chartOf(measured, title))
  }
  if (values.format === 'json') for (const one of measured) process.stdout.write(`${JSON.stringify(one)}\n`)
  else process.stdout.write(values.format === 'markdown' ? markdownTable(measured) : textTable(measured))
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
