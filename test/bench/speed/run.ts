/**
 * How fast reading, recall and answers are, and what memory they take. What is compared is measured in turns in one run, so that
 * whatever else the machine does meets both alike.
 *
 *   longread bench speed [--quick] [--threads N] [--only stream,far,memory,recall,answer,cancel]
 */
import { cp } from 'node:fs/promises'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { librariesFolder, loadAddon } from '../../../extension/engine/addon'
import { resolveModel } from '../../../extension/engine/catalogue'
import { EngineClient } from '../../../extension/engine/client'
import { fingerprint } from '../../../extension/engine/model-file'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { profileFor } from '../../../extension/recall/profile'
import { recall } from '../../../extension/recall/recall'
import { start } from '../../support/command'
import { loadOracle } from '../../support/oracle'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'
import { defaultAsk } from '../facts/asking'
import { inTemporaryFolder, median, print, whole } from '../numbers'
import { fill, FilledMemory, joined, Reader, sources, type ReadSource } from './filling'

interface Run {
  readonly reader: Reader
  readonly model: string
  readonly threads: number
  readonly rounds: number
  readonly quick: boolean
}

const list = (values: readonly number[]): string => values.map(whole).join(' ')

async function streaming({ reader, model, threads, rounds, quick }: Run): Promise<void> {
  const length = quick ? 2048 : 8192
  const context = 8192
  const oracle = loadOracle()
  const episode = joined(await sources(reader.loaded, 'requests'), length)
  const { tokens } = episode
  await reader.read({ tokens: tokens.subarray(0, 512), spans: new Uint32Array() })
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(length / (await reader.read(episode)).seconds)
    const request = {
      repack: true,
      path: model,
      libraries: librariesFolder(),
      threads,
      context,
      batch: 512,
      tokens,
      rows: new Int32Array(),
    }
    theirs.push(length / (await oracle.decode(request)).seconds)
  }
  print(`Reading ${whole(length)} tokens on ${threads} threads, in turns, median of ${rounds}`)
  print(`  Longread      ${whole(median(ours))} tokens/s  (${list(ours)})`)
  print(
    `  llama_decode  ${whole(median(theirs))} tokens/s  (${list(theirs)}); same file, context ${context}, batch 512`,
  )
  print(`  ratio         ${(median(ours) / median(theirs)).toFixed(2)}  (target: at least 2.5)`)
}

/** Episodes that stores are filled with: real files, each read once. */
async function fillings({ reader, quick }: Run): Promise<ReadSource[]> {
  const read: ReadSource[] = []
  const wanted = quick ? 4000 : 12_000
  let tokens = 0
  for (const source of await sources(reader.loaded, 'requests')) {
    if (tokens >= wanted) break
    if (source.tokens.length > wanted / 2) continue
    read.push({ source, held: (await reader.read(source)).held })
    tokens += source.tokens.length
  }
  return read
}

function memoryPerToken(episodes: readonly ReadSource[]): void {
  const sum = (of: (one: ReadSource) => number): number => episodes.reduce((total, one) => total + of(one), 0)
  const bytes = sum(({ held }) => held.bytes)
  const held = sum((one) => one.held.tokens)
  const all = sum(({ source }) => source.tokens.length)
  print('Memory')
  print(`  ${whole(bytes / held)} bytes a token held, ${whole(bytes / all)} a token read  (target: at most 2,500)`)
}

async function farAlong({ reader, rounds, quick }: Run, episodes: readonly ReadSource[]): Promise<void> {
  const [near, far] = [64_000, 1_000_000]
  const further = joined(await sources(reader.loaded, 'flask'), quick ? 1000 : 2000)
  const stores = [near, far].map((tokens) => {
    const store = reader.emptyStore()
    fill(store, episodes, tokens)
    return { store, rates: [] as number[] }
  })
  const turns = quick ? rounds : rounds * 3
  for (let round = 0; round < turns; round++) {
    // Who goes first changes, so that neither always meets the warmer processor.
    for (const { store, rates } of round % 2 === 0 ? stores : stores.toReversed()) {
      const started = performance.now()
      const { held } = await reader.read(further)
      store.put(`further-${round}`, held)
      rates.push(further.tokens.length / ((performance.now() - started) / 1000))
    }
  }
  const [first, second] = stores.map(({ rates }) => median(rates))
  print(
    `Reading ${whole(further.tokens.length)} further tokens, in turns, median of ${turns}; stores filled with copies of ${episodes.length} files`,
  )
  print(`  at ${whole(near)} tokens held     ${whole(first!)} tokens/s  (${list(stores[0]!.rates)})`)
  print(`  at ${whole(far)} tokens held  ${whole(second!)} tokens/s  (${list(stores[1]!.rates)})`)
  print(`  ratio                     ${(second! / first!).toFixed(3)}  (target: at least 0.95)`)
}

const questions = [
  'Where are proxy settings read from the environment?',
  'How is the body of a response decoded to text?',
  'Which function builds the digest authentication header?',
  'What happens to cookies when a request is redirected?',
  'Where is the timeout of a connection checked?',
]

/** What one may ask next about each of the questions above. */
const followUps = [
  'Which proxies are not used for local addresses?',
  'What is the encoding when the server names none?',
  'Which hash algorithms can the digest header have?',
  'Which headers are removed when the host changes?',
  'What is raised when a read times out?',
]

async function recalling({ reader, quick }: Run, episodes: readonly ReadSource[]): Promise<void> {
  const options = { top: 10, signals: 'all', rerank: false, rarity: true } as const
  const tools = { signal: new AbortController().signal, progress: () => undefined }
  await inTemporaryFolder(async (folder) => {
    const memory = new FilledMemory(folder, reader.loaded)
    const ask = async (asked: string, rerank: boolean): Promise<number> =>
      (await recall(memory, asked, { ...options, rerank }, tools)).ms
    print(`Recall, median of ${questions.length} questions; every copy of a file in a segment of its own`)
    for (const size of quick ? [100_000] : [100_000, 500_000]) {
      await memory.fillTo(size, episodes, folder)
      const found: number[] = []
      const [first, again, next]: number[][] = [[], [], []]
      await ask('What is this?', false)
      for (const question of questions) found.push(await ask(question, false))
      for (const [i, question] of questions.entries()) {
        first!.push(await ask(question, true))
        again!.push(await ask(question, true))
        next!.push(await ask(followUps[i]!, true))
      }
      const goal = size === 100_000 ? '; target: at most 300' : '; target: at most 500'
      const line = (what: string, times: readonly number[], more = '') =>
        print(`    ${what.padEnd(38)} ${whole(median(times)).padStart(5)} ms  (${list(times)}${more})`)
      print(`  over ${whole(memory.tokens)} tokens, ${whole(memory.units().length)} units`)
      line('without rerank', found, goal)
      line('with rerank', first!, '; target: at most 6,000')
      line('  the same question again', again!)
      line('  a question about the same after it', next!)
    }
  })
}

async function answering({ threads, quick }: Run): Promise<void> {
  await inTemporaryFolder(async (root) => {
    const { folder } = await fetchRepository(chooseRepositories(['requests'])[0]!)
    const source = path.join(folder, 'src/requests')
    for (const file of ['auth.py', 'hooks.py', 'structures.py', ...(quick ? [] : ['cookies.py', 'api.py'])])
      await cp(path.join(source, file), path.join(root, file))
    const client = new EngineClient()
    try {
      const request = await defaultAsk(root, null, threads)
      const { tokens } = await client.call('stream', request)
      const timings = []
      for (const question of questions.slice(2, quick ? 4 : 5))
        timings.push((await client.call('ask', { ...request, question })).timings)
      const first = timings.map(({ firstToken }) => firstToken)
      const before = timings.map((one) => one.recall)
      print(`Asking ${whole(tokens)} tokens with the defaults of \`longread ask\``)
      print(`  recall with rerank ${whole(median(before))} ms  (${list(before)})`)
      print(`  first token after recall ${whole(median(first))} ms  (${list(first)}; target: at most 3,000)`)
    } finally {
      await client.dispose()
    }
  })
}

/** How long the command goes on after Ctrl-C, at random moments of reading. */
async function cancelling({ quick }: Run): Promise<void> {
  await inTemporaryFolder(async (memory) => {
    const { folder } = await fetchRepository(chooseRepositories(['requests'])[0]!)
    const times: number[] = []
    for (let round = 0; round < (quick ? 3 : 10); round++) {
      const running = start(['stream', folder, '--json', '--memory', memory])
      await running.says('"phase":"read"')
      await delay(Math.random() * 3000)
      const started = performance.now()
      running.process.kill('SIGINT')
      await running.ended
      times.push(performance.now() - started)
    }
    print(`Ctrl-C while a repository is read, ${times.length} times at random moments`)
    print(`  ended after ${whole(median(times))} ms, at most ${whole(Math.max(...times))} ms  (target: at most 1,000)`)
  })
}

const parts = ['stream', 'far', 'memory', 'recall', 'answer', 'cancel']

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      threads: { type: 'string', default: '2' },
      only: { type: 'string', default: parts.join(',') },
    },
  })
  const only = new Set(values.only.split(','))
  for (const part of only)
    if (!parts.includes(part)) throw new Error(`--only takes ${parts.join(', ')}, not "${part}".`)
  const { path: model } = await resolveModel()
  const addon = loadAddon()
  const cancel = new addon.Cancel()
  const threads = Number(values.threads)
  const options = { path: model, weights: 'fast', threads, libraries: librariesFolder() } as const
  const native = await addon.loadModel(options, cancel, () => undefined)
  const profile = profileFor(native.info())
  if (profile === undefined) throw new Error('The model in use has no profile: choose one that has.')
  const loaded: LoadedModel = { addon, model: native, profile, threads, fingerprint: `${fingerprint(model)}-fast` }
  const { quick } = values
  const run: Run = { reader: new Reader(loaded, cancel), model, threads, quick, rounds: quick ? 1 : 3 }
  try {
    print(`$ ${['longread bench speed', ...args].join(' ')}`)
    print(
      `${native.info().name}, ${path.basename(model)}, ggml for ${native.info().cpu}, scoring with ${addon.instructions}`,
    )
    if (only.has('stream')) await streaming(run)
    const episodes = ['far', 'memory', 'recall'].some((part) => only.has(part)) ? await fillings(run) : []
    if (only.has('memory')) memoryPerToken(episodes)
    if (only.has('far')) await farAlong(run, episodes)
    if (only.has('recall')) await recalling(run, episodes)
    if (only.has('answer')) await answering(run)
    if (only.has('cancel')) await cancelling(run)
  } finally {
    native.dispose()
  }
}
