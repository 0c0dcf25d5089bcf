/**
 * A folder as the product reads it on a GPU, files and all, and questions about it: the whole way, with cutting, tokenising and saving,
 * through the engine process.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { EngineClient } from '../../../extension/engine/client'
import { defaultAsk } from '../facts/asking'
import { inTemporaryFolder, median, print, whole } from '../numbers'

const line = (what: string, times: readonly number[], target: number): void =>
  print(
    `  ${what.padEnd(34)} ${whole(median(times)).padStart(5)} ms  (${times.map(whole).join(' ')}; target: at most ${target})`,
  )

const questions = [
  'Where are settings read from the environment?',
  'How is a request matched to what handles it?',
  'Which function splits a line into fields?',
  'What happens when a connection is closed early?',
  'Where is the timeout of a task checked?',
  'How are errors turned into messages for people?',
]

/** Reads with an engine whose model is loaded and has read before, then asks. `kept`: the memory is kept on disk. */
async function readAndAsk(root: string, kept: boolean): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const small = path.join(folder, 'small')
    await mkdir(small)
    await writeFile(path.join(small, 'a.py'), 'def add(a, b):\n    return a + b\n')
    const client = new EngineClient()
    try {
      const memory = kept ? path.join(folder, 'memory') : null
      const request = { ...(await defaultAsk(root, memory, 0)), device: 'cuda' } as const
      await client.call('stream', { ...request, root: small, memory: null })
      const started = performance.now()
      const { files, tokens } = await client.call('stream', request)
      const seconds = (performance.now() - started) / 1000
      print(
        `Read ${whole(files)} files, ${whole(tokens)} tokens, ${kept ? 'kept on disk' : 'kept in memory'}: ${seconds.toFixed(1)} s, ${whole(tokens / seconds)} tokens/s`,
      )
      const recall = async (question: string, rerank: boolean) =>
        (await client.call('recall', { ...request, questions: [question], rerank }))[0]?.ms ?? NaN
      const first = await recall('What is this?', true)
      print(`  the first question of a process    ${whole(first).padStart(5)} ms`)
      const [found, again, token]: number[][] = [[], [], []]
      for (const question of questions) found!.push(await recall(question, false))
      for (const question of questions) again!.push(await recall(question, true))
      line('recall without rerank', found!, 30)
      line('recall with rerank', again!, 150)
      for (const question of questions)
        token!.push((await client.call('ask', { ...request, question })).timings.firstToken)
      line('first token after recall', token!, 300)
    } finally {
      await client.dispose()
    }
  })
}

export async function repository(root: string): Promise<void> {
  await readAndAsk(path.resolve(root), false)
  await readAndAsk(path.resolve(root), true)
}
