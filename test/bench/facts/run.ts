/**
 * Plants constants in a real repository and asks for them as a person would, with the defaults of `longread ask`: how many
 * answers hold the five digits, and how often the unit with the constant was found, read and cited.
 *
 *   longread bench facts [--limit N] [--seed N] [--threads N] [--from NAME/FOLDER,…] [--first N] [--json]
 *     [--reading-tokens N] [--device cpu|cuda|auto]
 *     [--reading memory [--units code|blocks] [--choose layers|agree|recall] [--look-ups each|once] [--twice] [--set NAME=VALUE,…]]
 *
 * --first: plants all, asks only for the first N. --reading-tokens: another budget than the command's, to try it out.
 * --reading memory: from keys and values of the whole repository (InfLLM), as the command does it with these options; there are no ranks
 * then, and nothing is cited.
 * --from: parts of the corpus that make up the repository. What was read is kept, so that a second run only asks.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { memoryReadingOf, type MemoryReadingFlags } from '../../../extension/cli/memory-reading'
import { EngineClient, type CallOptions } from '../../../extension/engine/client'
import type { AskRequest, AskResult, Citation, RecalledUnit } from '../../../extension/protocol/types'
import { cacheFolder } from '../corpus/repositories'
import { median } from '../numbers'
import { defaultAsk } from './asking'
import { assemble } from './assemble'
import { mostFacts, plant, type Fact } from './plant'

const target = '34 of 40'

interface Asked {
  readonly fact: Fact
  readonly answer: string
  readonly exact: boolean
  readonly read: boolean
  readonly cited: boolean
  /** Of the unit with the fact among all units, from 1; 0: not among those that were given. */
  readonly rank: number
  readonly timings: AskResult['timings']
}

const holds = (place: Citation, { file, line }: Fact): boolean =>
  place.file === file && place.startLine <= line && line <= place.endLine

const rankIn = (units: readonly RecalledUnit[], fact: Fact): number =>
  units.toSorted((a, b) => b.score - a.score).findIndex((unit) => holds(unit, fact)) + 1

/** Enough to find any unit of the repositories used. */
const allUnits = 100_000

async function askFor(client: EngineClient, request: AskRequest, fact: Fact): Promise<Asked> {
  const { question } = fact
  const { answer, reading, citations, timings } = await client.call('ask', { ...request, question })
  const read = reading.some((unit) => holds(unit, fact))
  let rank = rankIn(reading, fact)
  if (!read && !request.reading) {
    // What was not read says nothing of its rank: the same recall once more, with everything it ranks.
    const [found] = await client.call('recall', { ...request, top: allUnits, questions: [question] })
    rank = rankIn(found?.units ?? [], fact)
  }
  // Digits of a longer number are another number; 48,213 is the same one.
  const numbers = [...answer.replace(/(?<=\d)[,_](?=\d{3}\b)/g, '').matchAll(/\d+/g)]
  const exact = numbers.some(([number]) => number === fact.value)
  return { fact, answer, exact, read, cited: citations.some((place) => holds(place, fact)), rank, timings }
}

function report(asked: readonly Asked[], tokens: number, command: string): string {
  const count = (of: (one: Asked) => boolean): string => `${asked.filter(of).length} of ${asked.length}`
  const within = (rank: number) => (one: Asked) => one.rank > 0 && one.rank <= rank
  const seconds = (of: (one: Asked) => number): string => (median(asked.map(of)) / 1000).toFixed(2)
  const lines = [
    `$ ${command}`,
    `${asked.length} constants planted in ${tokens.toLocaleString('en-US')} tokens of real code`,
    `answered exactly           ${count(({ exact }) => exact)}   (target: at least ${target})`,
    `unit ranked first          ${count(within(1))}`,
    `unit among the best 5      ${count(within(5))}`,
    `unit was read              ${count(({ read }) => read)}`,
    `read, not answered exactly ${count(({ read, exact }) => read && !exact)}`,
    `unit was cited             ${count(({ cited }) => cited)}`,
    `median seconds: recall ${seconds(({ timings }) => timings.recall)}, first token ${seconds(({ timings }) => timings.firstToken)} more, answer ${seconds(({ timings }) => timings.answer)}`,
  ]
  return `${lines.join('\n')}\n`
}

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      limit: { type: 'string', default: '40' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string', default: '0' },
      from: { type: 'string', default: 'requests/src,flask/src' },
      first: { type: 'string' },
      'reading-tokens': { type: 'string' },
      device: { type: 'string' },
      reading: { type: 'string', default: 'afresh' },
      units: { type: 'string', default: 'code' },
      choose: { type: 'string' },
      'look-ups': { type: 'string' },
      twice: { type: 'boolean', default: false },
      set: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
    },
  })
  const limit = Number(values.limit)
  if (!(limit >= 1 && limit <= mostFacts)) throw new Error(`--limit must be from 1 to ${mostFacts}.`)
  const root = await mkdtemp(path.join(os.tmpdir(), 'longread-facts-'))
  const client = new EngineClient({ onNotice: (message) => process.stderr.write(`${message}\n`) })
  try {
    await assemble(values.from.split(','), root)
    const facts = await plant(root, limit, Number(values.seed))
    const defaults = await defaultAsk(
      root,
      path.join(cacheFolder(), 'facts-memory'),
      Number(values.threads),
      values.device as AskRequest['device'],
    )
    const readingTokens = Number(values['reading-tokens'] ?? defaults.readingTokens)
    const flags = { ...values, lookUps: values['look-ups'] } as MemoryReadingFlags
    const reading = memoryReadingOf(flags)
    const request = { ...defaults, readingTokens, ...(reading ? { reading } : {}) }
    let told = 0
    const watched: CallOptions = {
      onProgress: ({ phase, done, total, rate }) => {
        if (phase !== 'read' || Date.now() - told < 10_000) return
        told = Date.now()
        process.stderr.write(`read ${done} of about ${total} tokens, ${Math.round(rate)} tokens/s\n`)
      },
    }
    const { tokens } = reading
      ? await client.call('streamMemory', { ...request, reading }, watched)
      : await client.call('stream', request, watched)
    const asked: Asked[] = []
    for (const fact of facts.slice(0, Number(values.first ?? limit))) {
      const one = await askFor(client, request, fact)
      asked.push(one)
      if (values.json) process.stdout.write(`${JSON.stringify(one)}\n`)
      const marks = `${one.exact ? 'exact' : 'wrong'}, rank ${one.rank}${one.read ? ', read' : ''}${one.cited ? ', cited' : ''}`
      process.stderr.write(`${asked.length}/${facts.length} ${fact.name} = ${fact.value}: ${marks}\n`)
      if (!one.exact) process.stderr.write(`  ${one.answer.replace(/\s+/g, ' ').slice(0, 200)}\n`)
    }
    process.stdout.write(report(asked, tokens, `longread bench facts ${args.join(' ')}`.trim()))
  } finally {
    await client.dispose()
    await rm(root, { recursive: true, force: true })
  }
}
