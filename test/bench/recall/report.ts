/**
 * The figures as a table: one row a repository and ranker, the mean over repositories last. As text for a terminal and as
 * Markdown for the README.
 */
import type { Evaluation } from './metrics'
import { meanOf } from './metrics'

export interface Measured {
  readonly repository: string
  readonly ranker: string
  readonly evaluation: Evaluation
  readonly units: number
  /** For all questions; what is prepared once for the units is not in it. */
  readonly seconds: number
}

type Row = readonly string[]

const header: Row = [
  ...['repository', 'units', 'questions', 'ranker'],
  ...['unit MRR', '@1', '@5', '@10', 'file MRR', '@1', '@5', '@10', 'ms a question'],
]
/** Columns of names; the others hold numbers and stand to the right. */
const names = new Set([0, 3])

const share = (value: number): string => value.toFixed(3).replace(/^0/, '')

function cells({ evaluation: { unit, file } }: Measured): string[] {
  return [unit.mrr, unit.at1, unit.at5, unit.at10, file.mrr, file.at1, file.at5, file.at10].map(share)
}

function milliseconds({ seconds, evaluation }: Measured): string {
  return ((1000 * seconds) / Math.max(1, evaluation.questions)).toFixed(1)
}

/** One entry a ranker: the mean over the repositories that it was measured on. */
export function means(measured: readonly Measured[]): Measured[] {
  const rankers = [...new Set(measured.map(({ ranker }) => ranker))]
  return rankers.map((ranker) => {
    const own = measured.filter((one) => one.ranker === ranker)
    return {
      repository: `mean of ${String(own.length)}`,
      ranker,
      evaluation: meanOf(own.map(({ evaluation }) => evaluation)),
      units: own.reduce((sum, { units }) => sum + units, 0),
      seconds: own.reduce((sum, { seconds }) => sum + seconds, 0),
    }
  })
}

function rows(measured: readonly Measured[]): Row[] {
  const repositories = new Set(measured.map(({ repository }) => repository))
  const all = repositories.size > 1 ? [...measured, ...means(measured)] : measured
  let above = ''
  return all.map((one) => {
    const first = one.repository !== above
    above = one.repository
    const lead = first ? [one.repository, String(one.units), String(one.evaluation.questions)] : ['', '', '']
    return [...lead, one.ranker, ...cells(one), milliseconds(one)]
  })
}

export function textTable(measured: readonly Measured[]): string {
  const all = [header, ...rows(measured)]
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const lines = all.map((row) =>
    row
      .map((cell, column) => (names.has(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

export function markdownTable(measured: readonly Measured[]): string {
  const line = (row: Row): string => `| ${row.join(' | ')} |`
  const rule = header.map((_, column) => (names.has(column) ? '---' : '---:'))
  return `${[line(header), line(rule), ...rows(measured).map(line)].join('\n')}\n`
}
