/**
 * A folder as the product reads it on a GPU, files and all, and questions about it: the whole way, with cutting, tokenising and saving,
 * through the engine process; and before, a million random tokens by the model alone (million.ts).
 */
import * as path from 'node:path'
import { EngineClient } from '../../../extension/engine/client'
import type { Progress, RecallResult } from '../../../extension/protocol/types'
import { shapeNamed, writeShapeModel } from '../../support/shape-model'
import { defaultAsk } from '../facts/asking'
import { inTemporaryFolder, median, print, whole } from '../numbers'
import { million, usedMegabytes, type Million } from './million'
import { smallFolder, withModel } from './models'

const line = (what: string, times: readonly number[], target: number): void =>
  print(
    `  ${what.padEnd(34)} ${whole(median(times)).padStart(5)} ms  (${times.map(whole).join(' ')}; target: at most ${target})`,
  )

const idleMs = 15_000

const questions = [
  'Where are settings read from the environment?',
  'How is a request matched to what handles it?',
  'Which function splits a line into fields?',
  'What happens when a connection is closed early?',
  'Where is the timeout of a task checked?',
  'How are errors turned into messages for people?',
]

/** A model instead of the default one. */
export interface OtherModel {
  readonly model: string
  readonly profile: string
}

type Stages = NonNullable<RecallResult['stages']>

/** Medians of what each stage took. */
function breakdown(results: readonly RecallResult[]): void {
  const names = [...new Set(results.flatMap(({ stages }) => Object.keys(stages ?? {})))] as (keyof Stages)[]
  const each = names.map((name) => `${name} ${median(results.map(({ stages }) => stages?.[name] ?? 0)).toFixed(1)}`)
  print(`    by stage: ${each.join(', ')} ms`)
}

/** Reads with an engine whose model is loaded and has read before, then asks. `kept`: the memory is kept on disk. */
async function readAndAsk(
  root: string,
  kept: boolean,
  device: 'cpu' | 'cuda',
  other: Partial<OtherModel>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const small = await smallFolder(folder)
    const client = new EngineClient()
    try {
      const memory = kept ? path.join(folder, 'memory') : null
      const request = { ...(await defaultAsk(root, memory, 0)), device, ...other } as const
      // How long a call said that the GPU is made ready.
      let preparing = 0
      const onProgress = ({ phase, done }: Progress) => void (phase === 'prepare' && (preparing = done))
      const begun = performance.now()
      await client.call('stream', { ...request, root: small, memory: null }, { onProgress })
      print(
        `Loaded the model and read one file: ${((performance.now() - begun) / 1000).toFixed(1)} s, ${preparing} s of it preparing the GPU`,
      )
      preparing = 0
      const started = performance.now()
      const { files, tokens } = await client.call('stream', request)
      const seconds = (performance.now() - started) / 1000
      print(
        `Read ${whole(files)} files, ${whole(tokens)} tokens, ${kept ? 'kept on disk' : 'kept in memory'}: ${seconds.toFixed(1)} s, ${whole(tokens / seconds)} tokens/s`,
      )
      const recall = async (question: string, rerank: boolean, watched = true) => {
        const asked = performance.now()
        const [result] = await client.call(
          'recall',
          { ...request, questions: [question], rerank, watched },
          { onProgress },
        )
        return { result: result!, all: performance.now() - asked }
      }
      const timed = async (what: string, rerank: boolean, target: number, watched = true) => {
        const found = []
        for (const question of questions) found.push(await recall(question, rerank, watched))
        line(what, watched ? found.map(({ result }) => result.ms) : found.map(({ all }) => all), target)
        if (watched) breakdown(found.map(({ result }) => result))
      }
      // What is done before the first question (engine/warming.ts) has time to be done once, and once it has none.
      if (kept) await new Promise((resolve) => setTimeout(resolve, idleMs))
      const first = await recall('What is this?', true)
      print(
        `  the first question, ${kept ? `${idleMs / 1000} s` : 'right'} after reading ${whole(first.all).padStart(9)} ms${preparing > 0 ? `, told to wait until the GPU had been prepared for ${preparing} s` : ''}`,
      )
      breakdown([first.result])
      await timed('recall without rerank', false, 30)
      await timed('recall with rerank', true, 150)
      await timed('the same, all files looked at before', true, 500, false)
      const token: number[] = []
      const toToken: number[] = []
      for (const question of questions) {
        // Where nothing fits a question, nothing is read for it.
        const { timings, found } = await client.call('ask', { ...request, question, watched: true }, { onProgress })
        if (!found) continue
        token.push(timings.firstToken)
        toToken.push(timings.recall + timings.firstToken)
      }
      if (token.length === 0) {
        print('  no answer: nothing in this folder fits the questions')
        return
      }
      line('first token after recall', token, 300)
      line('first token after the question', toToken, 450)
    } finally {
      await client.dispose()
    }
  })
}

export interface RepositoryOptions {
  /** A model of random weights of that shape instead of the default one. What is found means nothing then. */
  readonly shape?: string | undefined
  /** Random tokens read before by the model alone; 0: none. */
  readonly million: Million
  readonly device: 'cpu' | 'cuda'
}

export async function repository(root: string, { shape, million: tokens, device }: RepositoryOptions): Promise<void> {
  const measure = async (file?: string) => {
    await inTemporaryFolder(async (folder) => {
      let other: Partial<OtherModel> = file === undefined ? {} : { model: file }
      const before = usedMegabytes()
      await withModel({ file, device, folder }, async (loaded, profile) => {
        if (profile !== undefined) other = { ...other, profile }
        if (tokens.tokens > 0) await million(loaded, { before, loaded: usedMegabytes() }, tokens)
      })
      await readAndAsk(path.resolve(root), false, device, other)
      await readAndAsk(path.resolve(root), true, device, other)
    })
  }
  if (shape === undefined) return measure()
  await inTemporaryFolder(async (folder) => {
    const file = path.join(folder, `${shape}.gguf`)
    await writeShapeModel(file, shapeNamed(shape))
    await measure(file)
  })
}
