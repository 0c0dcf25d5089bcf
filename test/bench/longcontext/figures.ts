/** Figures of long texts as JSON lines, one a case, and what they come to: a table, and a picture of length by depth. */
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import type { TaskName } from './tasks'

export interface Figure {
  readonly way: string
  readonly task: TaskName
  /** Tokens that were asked for, and that it had. */
  readonly length: number
  readonly tokens: number
  /** From 0 to 1. */
  readonly depth: number
  readonly seed: number
  readonly chat: boolean
  readonly model: string
  /** Parameters that are not the way's own. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly right: boolean
  readonly answer: string
  readonly said: string
  readonly readSeconds: number
  readonly recallSeconds?: number
  readonly answerSeconds: number
  readonly layersThatFound?: number
  readonly layers?: number
  readonly at?: number
  /** The repositories that are read, of tasks in code. */
  readonly repositories?: string
  /** Of functions: how alike to the one asked for, and whether more so than to any other of the text. */
  readonly similarity?: number
  readonly best?: boolean
  readonly machine: string
}

/** The same parameters in any order are the same. */
const sorted = (parameters: Figure['parameters']) => Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))

const keyOf = ({ way, task, length, depth, seed, chat, model, parameters, repositories }: Figure): string =>
  JSON.stringify([way, task, length, depth, seed, chat, model, sorted(parameters), repositories])

/** Figures of several files; of the same case by the same way, the last one. A last line that was cut short is left out. */
export function parseFigures(text: string): Figure[] {
  const figures = new Map<string, Figure>()
  const lines = text.split('\n')
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue
    try {
      const figure = JSON.parse(line) as Figure
      figures.set(keyOf(figure), figure)
    } catch (cause) {
      if (at === lines.length - 1) continue
      throw new Error(`Line ${String(at + 1)} is no figure: ${line.slice(0, 80)}`, { cause })
    }
  }
  return [...figures.values()]
}

/** A file to which cases are added, and which says which it has. */
export class FigureFile {
  private readonly held = new Set<string>()
  private constructor(private readonly path: string) {}

  static async open(path: string): Promise<FigureFile> {
    const file = new FigureFile(path)
    const text = await readFile(path, 'utf8').catch(() => '')
    // What ended a run in the middle of a line must not spoil the next one.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole.length < text.length) await writeFile(path, whole)
    for (const figure of parseFigures(whole)) file.held.add(keyOf(figure))
    return file
  }

  has(
    figure: Pick<
      Figure,
      'way' | 'task' | 'length' | 'depth' | 'seed' | 'chat' | 'model' | 'parameters' | 'repositories'
    >,
  ): boolean {
    return this.held.has(keyOf(figure as Figure))
  }

  async add(figure: Figure): Promise<void> {
    this.held.add(keyOf(figure))
    await appendFile(this.path, `${JSON.stringify(figure)}\n`)
  }
}

/** Tasks and ways of figures, in the order they came; with parameters, where these differ among them. */
export function namesOf(figures: readonly Figure[]): Map<string, Figure[]> {
  const said = ({ parameters }: Figure) =>
    sorted(parameters).map(([name, value]) => `${name}=${String(value)}`).join(',') || "the paper's" // prettier-ignore
  const differ = distinct(figures.filter(({ way }) => way !== 'full').map(said)).length > 1
  const names = new Map<string, Figure[]>()
  for (const figure of figures) {
    const { task, way } = figure
    const name = `${task}, ${way}${differ && way !== 'full' ? ` (${said(figure)})` : ''}`
    names.set(name, [...(names.get(name) ?? []), figure])
  }
  return names
}

export interface Cell {
  readonly length: number
  readonly depth: number
  readonly right: number
  readonly cases: number
}

/** By length and depth, both rising. */
export function cellsOf(figures: readonly Figure[]): Cell[] {
  const cells = new Map<string, Cell>()
  for (const { length, depth, right } of figures) {
    const key = `${String(length)} ${String(depth)}`
    const cell = cells.get(key) ?? { length, depth, right: 0, cases: 0 }
    cells.set(key, { ...cell, right: cell.right + (right ? 1 : 0), cases: cell.cases + 1 })
  }
  return [...cells.values()].sort((a, b) => a.length - b.length || a.depth - b.depth)
}

export const lengthName = (tokens: number): string =>
  tokens % 1024 === 0 ? `${(tokens / 1024).toLocaleString('en-US')}K` : tokens.toLocaleString('en-US')

/** The different values of one field, rising or in the order they came. */
export const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)]

/** Right answers of all, by task and way (rows) and length (columns); of functions also how many were most like the one asked for. */
export function table(figures: readonly Figure[]): string {
  const lengths = distinct(figures.map(({ length }) => length)).sort((a, b) => a - b)
  const row = (name: string, own: readonly Figure[], good: (figure: Figure) => boolean): string[] => [
    name,
    ...lengths.map((length) => {
      const cases = own.filter((figure) => figure.length === length)
      return cases.length === 0 ? '–' : `${cases.filter(good).length}/${cases.length}`
    }),
  ]
  const rows = [...namesOf(figures)].flatMap(([name, own]) => {
    const judged = own.filter(({ best }) => best !== undefined)
    const best = judged.length > 0 ? [row(`${name}: nearest`, judged, (figure) => figure.best === true)] : []
    return [row(name, own, ({ right }) => right), ...best]
  })
  const all = [['', ...lengths.map(lengthName)], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n')
}
