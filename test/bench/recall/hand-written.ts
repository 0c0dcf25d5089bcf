/**
 * Questions from a file: one JSON object a line with the question and where its answer is. Lines of code are found by the
 * symbol in the files that are read, so that a question stays right when lines move.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as path from 'node:path'
import { LongreadError } from '../../../extension/errors'
import type { LabelledQuestion } from '../../../extension/recall/calibration/questions'
import { stripFile } from '../../../extension/recall/calibration/strip'

export interface AskedQuestion {
  readonly question: string
  readonly file: string
  /** Qualified (`Class.method`). Without it, or without lines, all of the file answers. */
  readonly symbol?: string
  readonly startLine?: number
  readonly endLine?: number
  /** A name of the corpus, or of the folder; without it the question is asked of every repository measured. */
  readonly repository?: string
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Throws usage where the file or a line of it cannot be read. */
export async function readAsked(file: string): Promise<AskedQuestion[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new LongreadError('usage', `${file} cannot be read: --questions takes a file of questions.`)
  })
  const lines = text.split('\n')
  const asked: AskedQuestion[] = []
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue
    const value = parsed(line)
    const good = typeof value === 'object' && value !== null && 'question' in value && 'file' in value
    if (!good)
      throw new LongreadError('usage', `${file}:${String(at + 1)} is no JSON object with "question" and "file".`)
    asked.push(value as AskedQuestion)
  }
  return asked
}

/** Where the answers stand in the files below `root`. A file or symbol that is not there is an error: a typing mistake. */
export async function resolveQuestions(asked: readonly AskedQuestion[], root: string): Promise<LabelledQuestion[]> {
  const resolved: LabelledQuestion[] = []
  for (const { question, file, symbol = '', startLine, endLine } of asked) {
    const full = path.join(root, file)
    if (!existsSync(full)) throw new Error(`"${question}" is answered by ${file}, which is not there.`)
    if (startLine !== undefined) {
      resolved.push({ question, file, symbol, startLine, endLine: endLine ?? startLine })
      continue
    }
    const text = await readFile(full, 'utf8')
    if (symbol === '') {
      resolved.push({ question, file, symbol, startLine: 1, endLine: text.split('\n').length })
      continue
    }
    const own = (await definitionsOf(file, text)).filter((definition) => definition.symbol === symbol)
    if (own.length === 0) throw new Error(`"${question}" is answered by ${symbol}, which ${file} does not define.`)
    const start = Math.min(...own.map((definition) => definition.startLine))
    const end = Math.max(...own.map((definition) => definition.endLine))
    resolved.push({ question, file, symbol, startLine: start, endLine: end })
  }
  return resolved
}

/** Definitions with their lines in the text as it is, whether or not it holds documentation. */
async function definitionsOf(
  file: string,
  text: string,
): Promise<readonly { symbol: string; startLine: number; endLine: number }[]> {
  return (await stripFile(file, text, { keepDocumentation: true })).definitions
}
