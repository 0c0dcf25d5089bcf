/**
 * Reading a prompt and generating on a GPU, ours and llama_decode's in turns in one process on the same GPU; models of random F16
 * weights in the shapes of known ones, or a GGUF file.
 *
 *   longread bench cuda --repository DIR [--shape NAME] [--tokens N] [--device cpu]   (repository.ts: the default model, or one of random
 *                                                          weights of that shape, reads a folder and is asked)
 *   longread bench cuda --repository DIR --beside [--shape NAME | --model FILE] [--weights fp8] [--rounds N] [--tokens N]
 *                                                          (beside.ts: the floor, our kernels, llama_decode and the whole way)
 *   longread bench cuda [--shape NAME,… | --model FILE] [--weights fast|file|q8_0|f16] [--tokens N] [--generate N] [--rounds N] [--batch N]
 *                       [--seconds N]   (for a shape: after so many, rounds that are left are left out)
 */
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { librariesFolder, loadAddon, type LoadOptions, type NativeModel } from '../../../extension/engine/addon'
import { chooseDevice } from '../../../extension/engine/cuda'
import { loadOracle } from '../../support/oracle'
import { shapeNamed, shapes, writeShapeModel } from '../../support/shape-model'
import { inTemporaryFolder, print, whole } from '../numbers'
import { sideBySide, usualBeside } from './beside'
import { aMillion } from './million'
import { repository } from './repository'

const best = (values: readonly number[]): number => Math.max(...values)

interface Settings {
  readonly weights: LoadOptions['weights']
  readonly tokens: number
  readonly generate: number
  readonly rounds: number
  readonly batch: number
  readonly seconds: number
}

const ofKnownModels = Object.keys(shapes).filter((shape) => shape !== 'tiny')

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      shape: { type: 'string', default: ofKnownModels.join(',') },
      model: { type: 'string' },
      repository: { type: 'string' },
      beside: { type: 'boolean', default: false },
      weights: { type: 'string', default: 'fast' },
      tokens: { type: 'string' },
      device: { type: 'string', default: 'cuda' },
      seconds: { type: 'string', default: '240' },
      generate: { type: 'string', default: '128' },
      rounds: { type: 'string', default: '3' },
      batch: { type: 'string', default: '2048' },
    },
  })
  const settings: Settings = {
    weights: values.weights as Settings['weights'],
    tokens: Number(values.tokens ?? 8192),
    generate: Number(values.generate),
    rounds: Number(values.rounds),
    batch: Number(values.batch),
    seconds: Number(values.seconds),
  }
  const device = values.device === 'cpu' ? 'cpu' : 'cuda'
  const { name } = await chooseDevice(loadAddon(), device, () => undefined)
  print(`$ ${['longread bench cuda', ...args].join(' ')}`)
  print(device === 'cpu' ? 'the processor' : name)
  if (values.repository !== undefined) {
    const shape = args.some((arg) => arg.startsWith('--shape')) ? values.shape : undefined
    if (values.beside) {
      const { model } = values
      const weights = values.weights === 'fp8' ? 'fp8' : 'fast'
      const most = Number(values.tokens ?? usualBeside.most)
      await sideBySide(values.repository, {
        ...usualBeside,
        shape,
        model,
        weights,
        device,
        rounds: settings.rounds,
        most,
      })
      return
    }
    const million = values.tokens === undefined ? aMillion : { ...aMillion, tokens: Number(values.tokens) }
    await repository(values.repository, { shape, million, device })
    return
  }
  if (device === 'cpu')
    throw new Error('--device cpu goes with --repository; "longread bench speed" measures the processor.')
  if (values.model !== undefined) {
    await measure(path.resolve(values.model), settings)
    return
  }
  for (const shape of values.shape.split(',')) {
    const known = shapeNamed(shape)
    await inTemporaryFolder(async (folder) => {
      const file = path.join(folder, `${shape}.gguf`)
      const started = performance.now()
      await writeShapeModel(file, known)
      print(`${shape}, random F16 weights, written in ${((performance.now() - started) / 1000).toFixed(1)} s`)
      await measure(file, settings)
    })
  }
}

async function measure(file: string, settings: Settings): Promise<void> {
  const { weights, tokens: length, generate, rounds, batch } = settings
  const begun = performance.now()
  const isLate = () => performance.now() - begun > 1000 * settings.seconds
  const addon = loadAddon()
  const cancel = new addon.Cancel()
  const options = { path: file, weights, threads: 4, libraries: librariesFolder(), device: 'cuda' } as const
  const model = await addon.loadModel(options, cancel, () => undefined)
  const { vocabulary, weightFormat, weightBytes, loadSeconds, device } = model.info()
  print(
    `  ${whole(weightBytes / 1e6)} MB of weights (${weightFormat}), loaded in ${loadSeconds.toFixed(1)} s; ${whole((device.memoryTotal - device.memoryFree) / 1e6)} MB of the GPU in use`,
  )
  const tokens = Int32Array.from({ length }, (_, i) => 300 + ((i * 7919) % (vocabulary - 300)))
  const ours = { read: [] as number[], made: [] as number[] }
  const last = Int32Array.of(length - 1)
  for (let round = 0; round <= rounds && !(round > 1 && isLate()); round++) {
    const started = performance.now()
    await model.logits(tokens, last, cancel)
    // The first one finds kernels compiled and memory taken.
    if (round > 0) ours.read.push(length / ((performance.now() - started) / 1000))
  }
  for (let round = 0; round <= rounds && !(round > 1 && isLate()); round++) {
    const rate = await generating(model, tokens.subarray(0, 512), generate)
    if (round > 0) ours.made.push(rate)
  }
  model.dispose()
  const theirs = { read: [] as number[], made: [] as number[] }
  const request = { repack: true, path: file, libraries: librariesFolder(), threads: 4, gpu: true }
  for (let round = 0; round < Math.min(2, rounds) && !isLate(); round++) {
    const read = { ...request, tokens, rows: last, context: length, batch }
    theirs.read.push(length / (await loadOracle().decode(read)).seconds)
    const short = { ...request, tokens: tokens.subarray(0, 512), rows: Int32Array.of(511), context: 2048, batch: 512 }
    const { generated, generateSeconds } = await loadOracle().decode({ ...short, generate })
    theirs.made.push((generated.length - 1) / generateSeconds)
  }
  for (const [
    what,
    key,
  ] of [[`reading ${whole(length)} tokens`, 'read'] as const, [`generating ${generate} after 512`, 'made'] as const]) // prettier-ignore
    print(
      theirs[key].length === 0
        ? `  ${what}: Longread ${whole(best(ours[key]))} tokens/s (${ours[key].map(whole).join(' ')}), llama_decode not measured: ${settings.seconds} s were over`
        : `  ${what}: Longread ${whole(best(ours[key]))} tokens/s (${ours[key].map(whole).join(' ')}), llama_decode ${whole(best(theirs[key]))} (${theirs[key].map(whole).join(' ')}), ratio ${(best(ours[key]) / best(theirs[key])).toFixed(2)}`,
    )
}

/** Tokens a second from the first to the last. */
async function generating(model: NativeModel, tokens: Int32Array, maxTokens: number): Promise<number> {
  const { Cancel } = loadAddon()
  let first = 0
  let made = 0
  const request = { tokens, temperature: 0, topP: 1, seed: 0, maxTokens, watch: new Uint32Array(), watchHeads: [] }
  await model.generate(request, new Cancel(), (_, token) => {
    if (token && made++ === 0) first = performance.now()
  })
  return (made - 1) / ((performance.now() - first) / 1000)
}
