/**
 * What a person in the editor waits for, with a real repository of about 100,000 tokens held: the first word of an answer, asked as the
 * panel asks, and how soon everything is held again after the window was opened anew.
 *
 *   longread bench editor [--threads N] [--seconds N,…] [--from NAME/FOLDER,…]
 *
 * --seconds: other times for reading again, to compare. What was read is kept, so that a second run only asks.
 */
import { mkdir } from 'node:fs/promises'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { promptly } from '../../../extension/answer/asking'
import { EngineClient } from '../../../extension/engine/client'
import type { AskRequest } from '../../../extension/protocol/types'
import { cacheFolder } from '../corpus/repositories'
import { defaultAsk } from '../facts/asking'
import { assemble } from '../facts/assemble'

const questions = [
  'Where are proxy settings read from the environment?',
  'How is the body of a response decoded to text?',
  'Which function builds the digest authentication header?',
  'What happens to cookies when a request is redirected?',
  'Where is the timeout of a connection checked?',
  'How is a session cookie signed?',
  'Where are URL rules added to the application?',
  'How is a template found and rendered?',
]
const target = 5

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

async function firstWords(client: EngineClient, request: AskRequest, rerankSeconds: number): Promise<void> {
  const waited: number[] = []
  const parts = { stream: [] as number[], recall: [] as number[], firstToken: [] as number[] }
  for (const question of questions) {
    const started = performance.now()
    let first = 0
    const { timings } = await client.call(
      'ask',
      { ...request, question, rerankSeconds },
      { onText: () => (first ||= performance.now()) },
    )
    waited.push(first - started)
    for (const part of Object.keys(parts) as (keyof typeof parts)[]) parts[part].push(timings[part])
  }
  print(
    `  reading again for up to ${rerankSeconds} s: median ${seconds(middle(waited))}, longest ${seconds(Math.max(...waited))}`,
  )
  const { stream, recall, firstToken } = parts
  print(
    `    looking for changes ${seconds(middle(stream))}, recall ${seconds(middle(recall))}, reading what was found ${seconds(middle(firstToken))}`,
  )
}

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      threads: { type: 'string', default: '0' },
      seconds: { type: 'string', default: String(promptly.rerankSeconds) },
      from: { type: 'string', default: 'requests/src,flask/src' },
    },
  })
  const root = path.join(cacheFolder(), 'editor', values.from.replace(/\W+/g, '-'))
  await mkdir(root, { recursive: true })
  await assemble(values.from.split(','), root)
  const request = {
    ...(await defaultAsk(root, path.join(cacheFolder(), 'editor-memory'), Number(values.threads))),
    ...promptly,
  }
  const reading = new EngineClient()
  const { tokens } = await reading.call('stream', request).finally(() => reading.dispose())

  print(`With ${tokens.toLocaleString('en-US')} tokens held`)
  const reopened: number[] = []
  for (let round = 0; round < 5; round++) {
    const client = new EngineClient()
    const started = performance.now()
    await client.call('stream', request).finally(() => client.dispose())
    reopened.push(performance.now() - started)
  }
  print(
    `Everything held again by a new engine process: median ${seconds(middle(reopened))}, longest ${seconds(Math.max(...reopened))}`,
  )

  const client = new EngineClient()
  try {
    await client.call('stream', request)
    print(`First word of an answer, ${questions.length} questions  (target: at most ${target} s)`)
    for (const time of values.seconds.split(',')) await firstWords(client, request, Number(time))
  } finally {
    await client.dispose()
  }
}
