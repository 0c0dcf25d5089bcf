/**
 * Makes labelled questions from a repository's documented functions: what the documentation says is the question, the
 * function is the answer, and the documentation itself is taken out of every file before anything reads them.
 *
 * The gold units of a question are all units of the stripped file that share a line with the function, from its first
 * decorator to its last line; where a long function was split, each part counts.
 */
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { stripFile } from './strip'

export interface LabelledQuestion {
  readonly question: string
  readonly file: string
  readonly symbol: string
  /** 1-based and inclusive, in the stripped file. */
  readonly startLine: number
  readonly endLine: number
}

export interface StrippedRepository {
  readonly files: readonly { readonly file: string; readonly text: string }[]
  readonly questions: readonly LabelledQuestion[]
}

export interface QuestionOptions {
  readonly seed: number
  readonly limit: number
}

export const defaultQuestionOptions: QuestionOptions = { seed: 1, limit: 100 }

/** Beyond this a file is data; discovery leaves it out too. */
const maximumBytes = 1 << 20

/** Folders whose code asks no questions: it is about other code. They are read all the same. */
const askNothing =
  /(^|\/)(tests?|__tests__|specs?|testdata|fixtures|examples?|samples?|benches|benchmarks?|docs?|vendor|third_party|node_modules)\//i
const testFiles = /(^|\/)(test_[^/]*|conftest|[^/]*(_test|\.test|\.spec)|[^/]*Tests?)\.\w+$/

export const asksNothing = (file: string): boolean => askNothing.test(file) || testFiles.test(file)

/** Packaging leftovers that repeat the readme. */
const leftovers = /(^|\/)(PKG-INFO|[^/]*\.egg-info\/.*)$/

async function textFiles(root: string): Promise<{ file: string; text: string }[]> {
  const entries = await readdir(root, { recursive: true })
  const files: { file: string; text: string }[] = []
  for (const entry of entries.toSorted()) {
    const file = entry.split(path.sep).join('/')
    const full = path.join(root, entry)
    const stats = await lstat(full)
    if (!stats.isFile() || stats.size > maximumBytes || leftovers.test(file)) continue
    const bytes = await readFile(full)
    if (bytes.includes(0)) continue
    files.push({ file, text: bytes.toString('utf8') })
  }
  return files
}

/** A small generator (mulberry32), so that a seed gives the same sample everywhere. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A sample without repetition, in the order of the population. */
export function sample<Item>(population: readonly Item[], limit: number, seed: number): Item[] {
  const random = randomFrom(seed)
  const order = population.map((_, index) => index)
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  const chosen = order.slice(0, limit).toSorted((a, b) => a - b)
  return chosen.map((index) => population[index]!)
}

const normalised = (question: string): string =>
  question
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** Leaves out what is said of several functions: such a text has no one answer. */
export function unambiguous(questions: readonly LabelledQuestion[]): LabelledQuestion[] {
  const seen = new Map<string, number>()
  for (const { question } of questions) seen.set(normalised(question), (seen.get(normalised(question)) ?? 0) + 1)
  return questions.filter(({ question }) => seen.get(normalised(question)) === 1)
}

export async function stripRepository(
  root: string,
  options: QuestionOptions = defaultQuestionOptions,
): Promise<StrippedRepository> {
  const files: { file: string; text: string }[] = []
  const asked: LabelledQuestion[] = []
  for (const { file, text } of await textFiles(root)) {
    const stripped = await stripFile(file, text)
    files.push({ file, text: stripped.text })
    if (asksNothing(file)) continue
    for (const { question, symbol, startLine, endLine } of stripped.definitions) {
      if (question !== undefined) asked.push({ question, file, symbol, startLine, endLine })
    }
  }
  return { files, questions: sample(unambiguous(asked), options.limit, options.seed) }
}

/** Writes `tree/` and `questions.jsonl` into a folder, whole or not at all. */
export async function writeStripped(repository: StrippedRepository, folder: string): Promise<void> {
  const partial = `${folder}.partial-${process.pid}`
  await rm(partial, { recursive: true, force: true })
  for (const { file, text } of repository.files) {
    const full = path.join(partial, 'tree', file)
    await mkdir(path.dirname(full), { recursive: true })
    await writeFile(full, text)
  }
  const lines = repository.questions.map((question) => `${JSON.stringify(question)}\n`)
  await writeFile(path.join(partial, 'questions.jsonl'), lines.join(''))
  await rm(folder, { recursive: true, force: true })
  await rename(partial, folder)
}
