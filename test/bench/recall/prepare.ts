/**
 * Lays a repository out for the bench: `tree/` is what is read, without documentation, and `questions.jsonl` what is asked.
 * Both stand in the cache and are made again when what makes them changes.
 *
 *   node out/test/bench/recall/prepare.js [NAME|SPLIT|DIR …]
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { unambiguous, type LabelledQuestion } from '../../../extension/recall/calibration/questions'
import { LongreadError } from '../../../extension/errors'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'
import { cacheFolder, splits, readRepositories } from '../corpus/repositories'
import { defaultQuestionOptions, stripRepository, writeStripped } from './questions'

export interface Prepared {
  readonly name: string
  readonly folder: string
  readonly tree: string
  readonly questions: readonly LabelledQuestion[]
}

/** Changes whenever the compiled code that strips and asks does. */
async function makerVersion(): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(defaultQuestionOptions))
  const makers = path.join(__dirname, '../../../extension/recall/calibration')
  for (const folder of [makers, __dirname])
    for (const name of (await readdir(folder)).toSorted())
      if (/^(documentation|languages|question-text|questions|strip)\.js$/.test(name))
        hash.update(await readFile(path.join(folder, name)))
  return hash.digest('hex').slice(0, 16)
}

export function parseQuestions(text: string): LabelledQuestion[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as LabelledQuestion)
}

async function prepareFolder(name: string, source: string): Promise<Prepared> {
  const folder = path.join(cacheFolder(), 'recall', name)
  const stamp = path.join(folder, 'made-by')
  const version = await makerVersion()
  const tree = path.join(folder, 'tree')
  if (!existsSync(stamp) || (await readFile(stamp, 'utf8')) !== version) {
    await writeStripped(await stripRepository(source), folder)
    await writeFile(stamp, version)
  }
  return { name, folder, tree, questions: parseQuestions(await readFile(path.join(folder, 'questions.jsonl'), 'utf8')) }
}

export const isOfCorpus = (what: string): boolean =>
  readRepositories().some(({ name }) => name === what) || splits.some((split) => split === what)

/** What a NAME or SPLIT of the corpus, or a folder, stands for. */
export async function prepare(what: string): Promise<Prepared[]> {
  if (!isOfCorpus(what)) {
    const source = path.resolve(what)
    const isFolder = await stat(source).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (!isFolder)
      throw new LongreadError('usage', `"${what}" is no repository or split of the corpus, and no folder either.`)
    const hash = createHash('sha256').update(source).digest('hex').slice(0, 8)
    return [await prepareFolder(`${path.basename(source)}-${hash}`, source)]
  }
  const prepared: Prepared[] = []
  for (const repository of chooseRepositories([what])) {
    const { folder } = await fetchRepository(repository)
    prepared.push(await prepareFolder(repository.name, folder))
  }
  return prepared
}

/**
 * Several repositories as one workspace, each in a folder of its name. Questions that two of them answer are left out. Made
 * anew each time from hard links, so it costs little room.
 */
export async function prepareTogether(name: string, parts: readonly Omit<Prepared, 'folder'>[]): Promise<Prepared> {
  const folder = path.join(cacheFolder(), 'recall', `together-${name}`)
  const tree = path.join(folder, 'tree')
  await rm(folder, { recursive: true, force: true })
  for (const part of parts) {
    for (const entry of await readdir(part.tree, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const from = path.join(entry.parentPath, entry.name)
      const to = path.join(tree, part.name, path.relative(part.tree, from))
      await mkdir(path.dirname(to), { recursive: true })
      await link(from, to)
    }
  }
  const prefixed = parts.flatMap((part) =>
    part.questions.map((question) => ({ ...question, file: `${part.name}/${question.file}` })),
  )
  const questions = unambiguous(prefixed)
  await writeFile(path.join(folder, 'questions.jsonl'), questions.map((one) => `${JSON.stringify(one)}\n`).join(''))
  return { name: `${name}, together`, folder, tree, questions }
}

async function main(names: readonly string[]): Promise<void> {
  for (const name of names.length === 0 ? splits : names) {
    for (const { folder, questions } of await prepare(name)) {
      process.stdout.write(`${String(questions.length).padStart(4)} questions  ${folder}\n`)
    }
  }
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
