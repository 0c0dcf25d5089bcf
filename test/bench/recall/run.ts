/**
 * Measures rankers on repositories of the corpus, or on any folders, and prints unit and file figures for each.
 *
 *   longread bench recall [NAME|SPLIT|DIR …] [--questions FILE] [--rankers NAME,…]
 *     [--limit N] [--profile FILE] [--model NAME|FILE] [--device auto|cpu|cuda] [--weights FORMAT]
 *     [--threads N] [--together]
 *     [--format text|markdown|json] [--svg FILE] [--out FILE]
 *   longread bench recall --figures FILE…                             (figures.ts)
 *   longread bench recall --calibrate [NAME|SPLIT|DIR …] --out FILE   (calibrate.ts)
 *
 * --together measures the repositories of each SPLIT as one workspace. --limit is for each repository, also of those. --out adds the
 * figures to a file as they come and takes from it what it has. --profile, --model, --device, --weights and --threads are those of the command; the
 * name of another model or profile stands beside the ranker's.
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
import { embedder } from './embedder'
import { askedHash, chartOf, FigureFile, machine, titleOf, together as togetherSuffix, type Figure } from './figures'
import { readAsked, resolveQuestions, type AskedQuestion } from './hand-written'
import { evaluate, ranksOf, type Ranks } from './metrics'
import { isOfCorpus, prepare, prepareTogether, type Prepared } from './prepare'
import { productRanker } from './product'
import { random } from './random'
import type { BenchUnit, Ranker } from './ranker'
import { markdownTable, textTable } from './report'
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
  /** Where figures are added, and taken from when they are there. */
  readonly out?: FigureFile
  readonly onMeasured?: (measured: Figure) => void
}

const product =
  (name: string, signals: Signals, rerank: boolean): RankerOf =>
  (root, args = []) =>
    productRanker(root, { name: [name, ...otherThanDefault(args)].join(', '), signals, rerank, args })

/** What the figures of a ranker would be mistaken for the default's without. */
function otherThanDefault(args: readonly string[]): string[] {
  return ['--model', '--profile', '--weights'].flatMap((option) => {
    const at = args.indexOf(option)
    return at < 0 ? [] : [path.parse(args[at + 1] ?? '').name]
  })
}

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

export async function bench(options: BenchOptions): Promise<Figure[]> {
  const { out, limit } = options
  const asked = options.questions === undefined ? undefined : await readAsked(options.questions)
  const questionSet = options.questions === undefined ? 'documentation' : path.parse(options.questions).name
  const measured: Figure[] = []
  for (const what of options.what) {
    let places: Asked[] = asked === undefined ? await prepare(what) : await withOwnQuestions(what, asked)
    const together = options.together === true && places.length > 1
    if (together) {
      const parts = places.map((place) => ({ ...place, questions: place.questions.slice(0, limit) }))
      places = [await prepareTogether(what, parts)]
    }
    for (const { name, tree, questions: all } of places) {
      const units = await loadUnits(tree)
      const read = new Set(units.map(({ file }) => file))
      // A file that discovery leaves out, say for a secret in it, answers nothing.
      const questions = all.filter(({ file }) => read.has(file)).slice(0, together ? undefined : limit)
      if (questions.length === 0) continue
      const place = {
        set: together ? `${questionSet}${togetherSuffix}` : questionSet,
        repository: name,
        asked: askedHash(questions, units),
        units: units.length,
        machine: machine(),
      }
      for (const rankerOf of options.rankers) {
        const ranker = rankerOf(tree)
        let figure = out?.known({ ...place, ranker: ranker.name })
        if (figure === undefined) {
          const { ranks, seconds } = await measure(ranker, units, questions)
          figure = { ...place, ranker: ranker.name, evaluation: evaluate(ranks), seconds }
          await out?.add(figure)
        }
        measured.push(figure)
        options.onMeasured?.(figure)
      }
    }
  }
  return measured
}

/** Options of the command that the bench has, too. */
const passedOn = ['profile', 'model', 'device', 'weights', 'threads'] as const

/** `args` are further options of the command, for the rankers that run it. */
function chosenRankers(names: string, args: readonly string[]): RankerOf[] {
  return names.split(',').map((name) => {
    const ranker = rankers[name]
    if (ranker === undefined)
      throw new Error(`No ranker is called "${name}". There are ${Object.keys(rankers).join(', ')}.`)
    return (root) => ranker(root, args)
  })
}

export async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--calibrate')) return (await import('./calibrate.js')).main(args)
  if (args.includes('--figures')) return (await import('./figures.js')).main(args)
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      questions: { type: 'string' },
      rankers: { type: 'string', default: 'random,bm25,embedder' },
      limit: { type: 'string' },
      profile: { type: 'string' },
      model: { type: 'string' },
      device: { type: 'string' },
      weights: { type: 'string' },
      threads: { type: 'string' },
      together: { type: 'boolean', default: false },
      svg: { type: 'string' },
      out: { type: 'string' },
      format: { type: 'string', default: 'text' },
    },
  })
  const measured = await bench({
    what: positionals.length === 0 ? ['test'] : positionals,
    rankers: chosenRankers(
      values.rankers,
      passedOn.flatMap((name) => {
        const value = values[name]
        return value === undefined ? [] : [`--${name}`, name === 'profile' ? path.resolve(value) : value]
      }),
    ),
    together: values.together,
    ...(values.questions === undefined ? {} : { questions: values.questions }),
    ...(values.out === undefined ? {} : { out: await FigureFile.open(values.out) }),
    ...(values.limit === undefined ? {} : { limit: Number(values.limit) }),
    onMeasured: ({ repository, ranker, evaluation: { unit, file } }) =>
      process.stderr.write(`${repository} ${ranker}: unit ${unit.mrr.toFixed(3)} file ${file.mrr.toFixed(3)}\n`),
  })
  if (values.svg !== undefined) await writeFile(values.svg, chartOf(measured, titleOf(measured)))
  if (values.format === 'json') for (const one of measured) process.stdout.write(`${JSON.stringify(one)}\n`)
  else process.stdout.write(values.format === 'markdown' ? markdownTable(measured) : textTable(measured))
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
