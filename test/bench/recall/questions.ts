/**
 * A repository made ready for the bench: the questions that its documented functions ask (extension/recall/calibration), and
 * every file without its documentation, so that nothing reads the answers beside them.
 */
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import {
  sample,
  stripAndAsk,
  unambiguous,
  type LabelledQuestion,
} from '../../../extension/recall/calibration/questions'

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

export async function stripRepository(
  root: string,
  options: QuestionOptions = defaultQuestionOptions,
): Promise<StrippedRepository> {
  const files: { file: string; text: string }[] = []
  const asked: LabelledQuestion[] = []
  for (const { file, text } of await textFiles(root)) {
    const stripped = await stripAndAsk(file, text)
    files.push({ file, text: stripped.text })
    asked.push(...stripped.questions)
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
