/**
 * The product as a ranker: the command `longread recall` on a folder, as a person would run it, for all questions at once. The
 * folder is read on the first call and remembered in the bench's own memory folder after that.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Progress, RecallResult, Signals } from '../../../extension/protocol/types'
import { cacheFolder, sourceFile } from '../corpus/repositories'
import type { BenchUnit, Ranker, Ranking } from './ranker'

export interface ProductOptions {
  readonly name: string
  readonly signals: Signals
  readonly rerank: boolean
  /** Further options of the command, such as `--model NAME`. */
  readonly args?: readonly string[]
}

/** Progress comes by the thousand lines: one is shown in so many milliseconds. Everything else is passed on as it is. */
const showEvery = 10_000

function showProgress(stderr: Readable): void {
  let shown = 0
  createInterface({ input: stderr }).on('line', (line) => {
    if (line.startsWith('{"progress"')) {
      if (Date.now() - shown < showEvery) return
      shown = Date.now()
      const { phase, done, total, unit, rate } = (JSON.parse(line) as { progress: Progress }).progress
      process.stderr.write(`  ${phase}: ${done} of ${total || '?'} ${unit}, ${Math.round(rate)} a second\n`)
    } else process.stderr.write(`${line}\n`)
  })
}

function longread(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [sourceFile('out/extension/cli.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    showProgress(child.stderr)
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(parts).toString('utf8'))
      else reject(new Error(`longread ${args[0] ?? ''} ended with exit code ${String(code)}.`))
    })
  })
}

const key = (unit: Pick<BenchUnit, 'file' | 'startLine'>): string => `${unit.file}:${String(unit.startLine)}`

/** Units that the command does not name share the last place. */
export function scoresOf(result: Pick<RecallResult, 'units'>, units: readonly BenchUnit[]): Float32Array {
  const scores = new Map(result.units.map((unit) => [key(unit), unit.score]))
  return Float32Array.from(units, (unit) => scores.get(key(unit)) ?? -Infinity)
}

/** Scores of a process at most: a unit's line has some hundred bytes, and a text no more than 512 MB. */
const scoresAtOnce = 800_000

export function productRanker(root: string, options: ProductOptions): Ranker {
  return {
    name: options.name,
    async rank(questions, units): Promise<Ranking> {
      const scores: Float32Array[] = []
      let milliseconds = 0
      const atOnce = Math.max(1, Math.floor(scoresAtOnce / units.length))
      for (let first = 0; first < questions.length; first += atOnce) {
        const some = questions.slice(first, first + atOnce)
        for (const result of await recalled(root, some, units.length, options)) {
          scores.push(scoresOf(result, units))
          milliseconds += result.ms
        }
      }
      return { scores, seconds: milliseconds / 1000 }
    },
  }
}

async function recalled(
  root: string,
  questions: readonly string[],
  units: number,
  options: ProductOptions,
): Promise<RecallResult[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'longread-bench-'))
  try {
    const file = path.join(folder, 'questions.jsonl')
    await writeFile(file, questions.map((question) => `${JSON.stringify({ question })}\n`).join(''))
    const out = await longread([
      ...['recall', root, '--questions', file, '--json', '--top', String(units)],
      ...['--memory', path.join(cacheFolder(), 'recall-memory'), '--signals', options.signals],
      ...(options.rerank ? [] : ['--no-rerank']),
      ...(options.args ?? []),
    ])
    const lines = out.split('\n').filter((line) => line.startsWith('{'))
    const results = lines.map((line) => JSON.parse(line) as RecallResult)
    if (results.length !== questions.length) throw new Error('longread recall did not answer each question once.')
    return results
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
