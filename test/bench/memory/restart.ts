/** A million tokens after a restart, with the default model; and how soon a saved file is found. */
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../extension/engine/addon'
import { resolveModel } from '../../../extension/engine/catalogue'
import { EngineClient } from '../../../extension/engine/client'
import { temporaryFolder } from '../../support/temp'
import { loadDefaultModel, readOnce, repeat } from './repeat'

export interface RestartResult {
  readonly files: number
  readonly tokens: number
  readonly bytes: number
  readonly tokensRead: number
  /** From the start of the engine process until everything is held. */
  readonly restartMs: number
  /** Of that, without starting the process and loading the model. */
  readonly holdMs: number
  readonly firstQuestionMs: number
  readonly secondQuestionMs: number
  readonly saved: { readonly lines: number; readonly foundMs: number; readonly place: number; readonly readMs: number }
}

export async function restart(tokens: number): Promise<RestartResult> {
  const [workspace, parent] = [realpathSync(temporaryFolder()), temporaryFolder()]
  const memory = join(parent, 'memory')
  const loaded = await loadDefaultModel()
  const made = await repeat(await readOnce(loaded, 'extension/store'), workspace, memory, tokens)
  loaded.model.dispose()
  const { path: model } = await resolveModel()
  const request = {
    root: workspace,
    model,
    memory,
    profile: null,
    weights: 'fast',
    device: 'cpu',
    threads: 2,
    breadcrumbs: true,
  } as const
  const recall = { top: 10, signals: 'all', rerank: false, rarity: true, now: true } as const
  const client = new EngineClient()
  try {
    const started = performance.now()
    const held = await client.call('stream', request)
    const restartMs = performance.now() - started
    const ask = async (question: string) => {
      const before = performance.now()
      const [result] = await client.call('recall', { ...request, ...recall, questions: [question] })
      return { result, ms: performance.now() - before }
    }
    const first = await ask('Where is the manifest of a workspace written?')
    const second = await ask('What is removed when the memory is too large?')

    const text = ['definitions.ts', 'code.ts']
      .map((file) => readFileSync(join(packageRoot(), 'extension/workspace', file), 'utf8'))
      .join('\n')
    writeFileSync(join(workspace, 'saved.ts'), text)
    const saved = performance.now()
    const update = client.call('update', { ...request, changes: [{ file: 'saved.ts' }] })
    const found = await ask('How are decorators kept with the definition that they belong to?')
    const foundMs = performance.now() - saved
    const place = (found.result?.files.findIndex(({ file }) => file === 'saved.ts') ?? -1) + 1
    await update
    return {
      ...made,
      bytes: held.memoryBytes,
      tokensRead: held.tokensRead,
      restartMs,
      holdMs: held.seconds * 1000,
      firstQuestionMs: first.ms,
      secondQuestionMs: second.ms,
      saved: { lines: text.split('\n').length, foundMs, place, readMs: performance.now() - saved },
    }
  } finally {
    await client.dispose()
    rmSync(parent, { recursive: true })
  }
}
