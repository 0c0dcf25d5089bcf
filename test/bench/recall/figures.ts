/**
 * Figures as JSON lines, so that they can be taken in pieces, on several machines, and shown together afterwards:
 *
 *   longread bench recall test --rankers bm25,embedder --out FILE      adds a line for each repository and ranker, and leaves out
 *                                                                      those that FILE has
 *   longread bench recall --figures FILE… [--svg FILE] [--format text|markdown|json]      joins files to tables and a picture
 *
 * A later line for the same question set, repository and ranker stands for an earlier one. Lines of one repository must have asked
 * the same questions of the same units.
 */
import { createHash } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import { parseArgs } from 'node:util'
import { hasCode } from '../../../extension/store/folder'
import type { LabelledQuestion } from '../../../extension/recall/calibration/questions'
import { barChart, type Bar } from './chart'
import type { BenchUnit } from './ranker'
import { markdownTable, means, textTable, type Measured } from './report'

export interface Figure extends Measured {
  /** `documentation`, or the name of the file of questions; `…, together` for several repositories as one workspace. */
  readonly set: string
  /** Of the questions, their answers and the units that were ranked. */
  readonly asked: string
  /** Where it was measured. */
  readonly machine: string
}

/** Ends the names of sets whose repositories are one workspace. */
export const together = ', together'

export const machine = (): string =>
  `${os.cpus()[0]?.model.trim() ?? 'unknown'}, ${String(os.availableParallelism())} threads`

export function askedHash(questions: readonly LabelledQuestion[], units: readonly BenchUnit[]): string {
  const asked = questions.map(({ question, file, startLine, endLine }) => [question, file, startLine, endLine])
  const ranked = units.map(({ file, startLine, endLine }) => [file, startLine, endLine])
  return createHash('sha256')
    .update(JSON.stringify([asked, ranked]))
    .digest('hex')
    .slice(0, 12)
}

const keyOf = ({ set, repository, ranker }: Pick<Figure, 'set' | 'repository' | 'ranker'>): string =>
  JSON.stringify([set, repository, ranker])

/** A line that was cut short, by whatever ended the run, is left out. */
export function parseFigures(text: string): Figure[] {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    if (line.trim() === '') return []
    try {
      return [JSON.parse(line) as Figure]
    } catch (cause) {
      if (at === lines.length - 1) return []
      throw new Error(`Line ${String(at + 1)} is no figure: ${line.slice(0, 80)}`, { cause })
    }
  })
}

/** Joins files to one list, in the order in which each repository and ranker is first named. */
export function joinFigures(files: readonly (readonly Figure[])[]): Figure[] {
  const joined = new Map<string, Figure>()
  const asked = new Map<string, Figure>()
  for (const figure of files.flat()) {
    const place = JSON.stringify([figure.set, figure.repository])
    const other = asked.get(place) ?? figure
    if (other.asked !== figure.asked)
      throw new Error(
        `${figure.ranker} and ${other.ranker} were asked other questions, or of other units, on ${figure.repository} (${figure.set}).`,
      )
    asked.set(place, figure)
    joined.set(keyOf(figure), figure)
  }
  return [...joined.values()]
}

/** A file that figures are added to as they come. */
export class FigureFile {
  private constructor(
    private readonly file: string,
    private readonly figures: ReadonlyMap<string, Figure>,
  ) {}

  static async open(file: string): Promise<FigureFile> {
    const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
      if (hasCode(thrown, 'ENOENT')) return ''
      throw thrown
    })
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole !== text) await writeFile(file, whole)
    return new FigureFile(file, new Map(parseFigures(whole).map((figure) => [keyOf(figure), figure])))
  }

  /** What was measured before, when it was asked the same. */
  known(wanted: Pick<Figure, 'set' | 'repository' | 'ranker' | 'asked'>): Figure | undefined {
    const figure = this.figures.get(keyOf(wanted))
    return figure?.asked === wanted.asked ? figure : undefined
  }

  async add(figure: Figure): Promise<void> {
    await appendFile(this.file, `${JSON.stringify(figure)}\n`)
  }
}

const setsOf = (figures: readonly Figure[]): string[] => [...new Set(figures.map(({ set }) => set))]
const inSet = (figures: readonly Figure[], set: string): Figure[] => figures.filter((figure) => figure.set === set)

const isOurs = (ranker: string): boolean => ranker.startsWith('Longread')

/**
 * The means over repositories as bars, unit and file MRR of each question set, the product's own in the accent colour. Sets that nothing of
 * its own was measured on are left out where there are others.
 */
export function chartOf(figures: readonly Figure[], title: string): string {
  const rankers = [...new Set(figures.map(({ ranker }) => ranker))]
  const sets = setsOf(figures)
  const ours = sets.filter((set) => inSet(figures, set).some(({ ranker }) => isOurs(ranker)))
  const groups = (ours.length > 0 ? ours : sets).flatMap((set) => {
    const found = means(inSet(figures, set))
    const bars = (value: (one: Measured) => number): Bar[] =>
      rankers.map((ranker) => {
        const one = found.find((mean) => mean.ranker === ranker)
        return { label: ranker, value: one && value(one), accent: isOurs(ranker) }
      })
    return [
      { name: `${set}: unit MRR`, bars: bars(({ evaluation }) => evaluation.unit.mrr) },
      { name: `${set}: file MRR`, bars: bars(({ evaluation }) => evaluation.file.mrr) },
    ]
  })
  return barChart({ title, groups, maximum: 1 })
}

/** What is asked together is asked of the same repositories and counts once. */
export function titleOf(all: readonly Figure[]): string {
  const apart = all.filter(({ set }) => !set.endsWith(together))
  const figures = apart.length > 0 ? apart : all
  const places = new Map(figures.map((one) => [JSON.stringify([one.set, one.repository]), one.evaluation.questions]))
  const repositories = new Set(figures.map(({ repository }) => repository)).size
  const questions = [...places.values()].reduce((sum, count) => sum + count, 0)
  return `Finding the code that is meant: ${questions} questions, ${repositories} repositories`
}

/** A table for each question set. */
function tables(figures: readonly Figure[], table: (measured: readonly Measured[]) => string, heading: string): string {
  return setsOf(figures)
    .map((set) => {
      const own = inSet(figures, set)
      // By repository, whatever the order in which the files came.
      const order = [...new Set(own.map(({ repository }) => repository))]
      const sorted = order.flatMap((repository) => own.filter((one) => one.repository === repository))
      const machines = [...new Set(own.map((one) => one.machine))].join('; ')
      return `${heading}${set} (${machines})\n\n${table(sorted)}`
    })
    .join('\n')
}

export async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      figures: { type: 'boolean' },
      svg: { type: 'string' },
      format: { type: 'string', default: 'text' },
    },
  })
  if (positionals.length === 0)
    throw new Error('--figures needs files of figures: bench recall … --out FILE makes one.')
  const files: Figure[][] = []
  for (const file of positionals) files.push(parseFigures(await readFile(file, 'utf8')))
  const figures = joinFigures(files)
  if (figures.length === 0) throw new Error('There is no figure in what was given.')
  if (values.svg !== undefined) await writeFile(values.svg, chartOf(figures, titleOf(figures)))
  if (values.format === 'json') for (const one of figures) process.stdout.write(`${JSON.stringify(one)}\n`)
  else
    process.stdout.write(
      values.format === 'markdown' ? tables(figures, markdownTable, '### ') : tables(figures, textTable, ''),
    )
}
