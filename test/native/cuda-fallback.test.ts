/**
 * Reading by memory on a GPU that cannot go on, with the kernels that run on the processor: what any device may do the processor does
 * then, in a line; what was asked of the GPU is one clear error; and a GPU that failed ends the engine's process.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, type LoadOptions } from '../../extension/engine/addon'
import type { CallTools } from '../../extension/engine/handlers-type'
import { MemoryStreams, type Loading } from '../../extension/infllm/asking'
import { usualReading } from '../../extension/infllm/choice'
import type { AskRequest, MemoryReading } from '../../extension/protocol/types'
import type { LoadedModel } from '../../extension/recall/loaded'
import { wordsOnly } from '../../extension/recall/profile'
import { emulatedKernels, needsEmulated } from '../support/cuda'
import { writeGguf } from '../support/gguf-writer'
import { randomModel } from '../support/random-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { workspace } from '../support/workspace'

const parameters = { nInit: 4, nLocal: 24, blockSize: 16, topk: 9, reprTopk: 2, maxCachedBlock: 9, excBlockSize: 12 }
/** Threads that wait for one another are slow where others compute, too. */
const threads = 1
const reading: MemoryReading = { ...usualReading, choose: 'layers', parameters }

describe('reading by memory on a GPU that cannot go on', function () {
  this.timeout(300_000)
  before(needsEmulated)

  let [gpu, processor]: LoadedModel[] = []
  let request: AskRequest
  let streams: MemoryStreams
  let said: string[]
  const tools: CallTools = {
    signal: new AbortController().signal,
    progress: () => undefined,
    text: () => undefined,
    log: (level, message) => void said.push(`${level}: ${message}`),
  }
  const engine: Loading = {
    load: () => Promise.resolve(gpu!),
    onProcessor: () => Promise.resolve(processor!),
    ready: () => Promise.reject(new Error('nobody asks recall')),
  }

  before(async () => {
    const path = join(temporaryFolder(), 'model.gguf')
    const shape = { architecture: 'llama', headSize: 64, heads: 2, keyHeads: 1, layers: 2, full: true }
    writeFileSync(path, writeGguf(randomModel(shape).gguf))
    const addon = loadAddon()
    const load = async (places: Partial<LoadOptions>): Promise<LoadedModel> => {
      const options: LoadOptions = { path, weights: 'file', threads, libraries: librariesFolder(), ...places }
      const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
      return { addon, model, profile: wordsOnly(model.info()), threads, fingerprint: 'x' }
    }
    gpu = await load({ kernels: emulatedKernels, cublas: '' })
    processor = await load({})
    request = {
      ...{
        root: workspace({ 'a.py': 'def alpha():\n    return 1\n', 'b.py': 'def beta():\n    return 2\n' }),
        model: path,
        profile: null,
      },
      ...{ memory: null, weights: 'file', device: 'auto', threads, breadcrumbs: true, question: 'where is alpha' },
      ...{ top: 3, signals: 'all', rerank: false, rarity: true, readingTokens: 100 },
      sampling: { temperature: 0, topP: 1, seed: 0, maxTokens: 4 },
    }
  })
  beforeEach(() => {
    streams = new MemoryStreams()
    said = []
  })
  afterEach(() => {
    streams.close()
    for (const name of ['FULL', 'BROKEN']) Reflect.deleteProperty(process.env, `LONGREAD_EMULATED_${name}`)
  })
  after(() => [gpu, processor].forEach((one) => one?.model.dispose()))

  const ask = (more: Partial<AskRequest> = {}, how = reading) =>
    streams.ask({ ...request, ...more }, how, engine, tools)

  it('is done by the processor where any device will do, which is said once', async () => {
    process.env['LONGREAD_EMULATED_FULL'] = '1'
    const { answer, memory } = await ask()
    assert.ok(answer.length > 0 && memory?.files === 2)
    assert.equal(said.length, 1)
    assert.match(said[0]!, /^warn: The GPU could not go on: no memory on the GPU.*The processor reads this folder/)
    // It stays so, though there is memory again; and what is held is used.
    Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_FULL')
    const again = await ask()
    assert.deepEqual([again.answer, again.memory?.tokensPerSecond, said.length], [answer, undefined, 1])
    assert.equal((await streams.read(request, reading, engine, tools)).files, 2)
  })

  it('is done by the processor where the kernels cannot do what is asked', async () => {
    await ask({}, { ...reading, parameters: { ...parameters, perhead: true } })
    assert.deepEqual(said.length, 1)
    assert.match(said[0]!, /every head chooses/)
    await ask()
    assert.equal(said.length, 1, 'what the GPU can do it does')
  })

  it('is one clear error where the GPU was asked for', async () => {
    process.env['LONGREAD_EMULATED_FULL'] = '1'
    const message = await rejects(ask({ device: 'cuda' }), 'gpu-unfit')
    assert.match(message, /no memory on the GPU: out of memory\. Use --device cpu\.$/)
    Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_FULL')
    assert.equal((await ask({ device: 'cuda' })).memory?.files, 2)
    assert.deepEqual(said, [])
  })

  it('is a failure of the GPU after a fault, while reading and while answering, whatever device was asked for', async () => {
    for (const device of ['auto', 'cuda'] as const) {
      process.env['LONGREAD_EMULATED_BROKEN'] = '1'
      assert.match(await rejects(ask({ device }), 'gpu-failed'), /The GPU failed: .*illegal memory access/)
      Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_BROKEN')
      await ask({ device })
      process.env['LONGREAD_EMULATED_BROKEN'] = '1'
      await rejects(ask({ device }), 'gpu-failed')
      Reflect.deleteProperty(process.env, 'LONGREAD_EMULATED_BROKEN')
    }
    assert.deepEqual(said, [])
  })
})
