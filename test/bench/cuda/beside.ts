/**
 * Side by side, in one run on the same machine and GPU: llama_decode with a prompt; the products of the layers that reading needs, alone
 * (the floor); the way of a folder's files to the model, without it; what our kernels read of these files, tokenised before; and the
 * folder read as the product reads it, from the disk to the memory. A JSON line a figure, with its share of the floor and how many times
 * llama_decode's it is, each beside its target.
 */
import * as path from 'node:path'
import { cancellable, librariesFolder, type EpisodeTokens, type LoadOptions } from '../../../extension/engine/addon'
import { EngineClient } from '../../../extension/engine/client'
import { ownKernels } from '../../../extension/engine/cuda'
import { hearBank } from '../../../extension/recall/bank'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { headsOf } from '../../../extension/recall/profile'
import { loadOracle } from '../../support/oracle'
import { shapeNamed, writeShapeModel } from '../../support/shape-model'
import { defaultAsk } from '../facts/asking'
import { inTemporaryFolder, print } from '../numbers'
import { defaultModel, smallFolder, withModel } from './models'
import { feed } from './pipeline'

export interface BesideOptions {
  /** A shape whose weights are random and whose tokenizer is the default model's, or a GGUF file; default: the default model. */
  readonly shape?: string | undefined
  readonly model?: string | undefined
  readonly weights: 'fast' | 'fp8'
  readonly device: 'cpu' | 'cuda'
  /** Our own kernels and what they multiply with; without, those of the GPU. */
  readonly places?: Pick<LoadOptions, 'kernels' | 'cublas'>
  /** Rows of the floor, tokens of llama_decode's prompt. */
  readonly rows: number
  /** How often each product of the floor is computed. */
  readonly times: number
  /** How often our kernels read, and llama_decode; the quickest counts. */
  readonly rounds: number
  /** Tokens of the folder that our kernels read by themselves, at most. */
  readonly most: number
  /** Reference questions of a profile that is made up; default: as many as the default model's has. */
  readonly questions?: number
  /** Gets each figure; default: it is printed, a JSON line. */
  readonly tell?: (figure: Fields) => void
}

export const usualBeside = { rows: 8192, times: 20, rounds: 3, most: 1_000_000 } as const

/** Of the floor, by the model's width: a small one has less to multiply beside what else is to be done. */
const targetShare = (embedding: number): number => (embedding < 1024 ? 0.3 : 0.6)
const targetTimes = 3

interface Model {
  readonly file: string
  readonly name: string
}

/** What later figures are held against; undefined where it could not be measured. */
interface Floor {
  readonly layers: number
  readonly embedding: number
  readonly half?: number | undefined
  readonly eight?: number | undefined
}

export type Fields = Readonly<Record<string, string | number | boolean>>

export async function sideBySide(root: string, options: BesideOptions): Promise<void> {
  const { shape, model } = options
  await inTemporaryFolder(async (folder) => {
    if (shape === undefined) {
      const file = model === undefined ? await defaultModel() : path.resolve(model)
      return measure(root, { file, name: path.basename(file, '.gguf') }, folder, options)
    }
    const file = path.join(folder, `${shape}.gguf`)
    const known = shapeNamed(shape)
    const tokenizer = await defaultModel()
    const fits = known.vocab >= 49_152
    await writeShapeModel(file, known, fits ? tokenizer : undefined)
    return measure(root, { file, name: `${shape}, random weights` }, folder, options)
  })
}

async function measure(root: string, model: Model, folder: string, options: BesideOptions): Promise<void> {
  const { weights, tell = printLine } = options
  const told = (bench: string, fields: Fields) => tell({ bench, model: model.name, weights, ...fields })
  const theirs = await llamaDecode(model.file, options)
  told('llama_decode', { tokens: options.rows, tokensPerSecond: Math.round(theirs) })
  const against = (floor: Floor, { rate, fields }: Measured): Fields => {
    const target = targetShare(floor.embedding)
    const held = floor.half === undefined ? {} : { targetShare: target, shareMet: rate / floor.half >= target }
    const times = { timesLlama: round(rate / theirs, 2), targetTimes, timesMet: rate / theirs >= targetTimes }
    return { ...fields, ...shares(rate, floor), ...held, ...times }
  }
  const { floor, profile } = await withModel({ file: model.file, folder, ...options }, async (loaded, profile) => {
    const floor = await floorOf(model, loaded, options)
    for (const [products, rate] of [['f16', floor.half] as const, ['fp8', floor.eight] as const])
      if (rate !== undefined)
        told('floor', { products, layers: floor.layers, rows: options.rows, tokensPerSecond: Math.round(rate) })
    const { calls, ...fed } = await feed(root, loaded)
    const { files, tokens, seconds, processorSeconds } = fed
    const pipeline = { files, tokens, seconds: round(seconds, 2), processorSeconds: round(processorSeconds, 2) }
    told('without the model', { ...pipeline, ...shares(tokens / seconds, floor) })
    const { together, kernels } = loaded.model.info()
    if (together === 0) told('our kernels', { left: kernels || 'there are none on a processor' })
    else told('our kernels', against(floor, await byKernels(loaded, calls, options)))
    return { floor, profile }
  })
  for (const kept of ['in memory', 'on disk'] as const)
    told('the whole way', against(floor, await wholeWay(root, model, profile, kept, options)))
}

const printLine = (fields: Fields) => print(JSON.stringify(fields))

interface Measured {
  /** Tokens a second. */
  readonly rate: number
  readonly fields: Fields
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

const shares = (rate: number, { half, eight }: Floor): Fields => ({
  tokensPerSecond: Math.round(rate),
  ...(half === undefined ? {} : { shareOfFloor: round(rate / half, 3) }),
  ...(eight === undefined ? {} : { shareOfEightBitFloor: round(rate / eight, 3) }),
})

/** Tokens a second of the products of the layers that the profile has read. */
async function floorOf({ file }: Model, { model, profile }: LoadedModel, options: BesideOptions): Promise<Floor> {
  const libraries = librariesFolder()
  const { kernels, cublas } = options.places ?? (options.device === 'cuda' ? ownKernels(libraries) : {})
  const layers = 1 + Math.max(...headsOf(profile).map(({ layer }) => layer))
  const { embedding } = model.info()
  if (kernels === undefined || cublas === undefined) return { layers, embedding }
  const { rows, times } = options
  const rate = async (eight: boolean) => {
    const request = { path: file, libraries, kernels, cublas, layers, rows, times, eight }
    return rows / (await loadOracle().floor(request))
  }
  return { layers, embedding, half: await rate(false), eight: options.weights === 'fp8' ? await rate(true) : undefined }
}

/** The folder's files in calls as the product makes them, one right after the other. */
async function byKernels(
  loaded: LoadedModel,
  calls: readonly (readonly EpisodeTokens[])[],
  { rounds, most }: BesideOptions,
): Promise<Measured> {
  const { addon, model, profile } = loaded
  const { window, sinks, keyFormat } = profile
  const how = { heads: headsOf(profile), window, sinks, keyFormat, ...(profile.bank.length > 0 ? { bank: await hearBank(loaded) } : {}) } // prettier-ignore
  const read = (files: readonly EpisodeTokens[]) =>
    cancellable(addon, undefined, (cancel) => model.readMany(files, how, cancel, () => undefined))
  const files: EpisodeTokens[] = []
  let tokens = 0
  for (const file of calls.flat()) {
    if (tokens > 0 && tokens + file.tokens.length > most) break
    files.push(file)
    tokens += file.tokens.length
  }
  await read(files.slice(0, Math.ceil(files.length / 4))) // what is made with the first
  const rates: number[] = []
  for (let i = 0; i < rounds; i++) {
    const started = performance.now()
    await read(files)
    rates.push((1000 * tokens) / (performance.now() - started))
  }
  const { kernels } = model.info()
  if (kernels !== '') throw new Error(`Our kernels gave up: ${kernels}.`)
  return {
    rate: Math.max(...rates),
    fields: { files: files.length, tokens, slowest: Math.round(Math.min(...rates)) },
  }
}

/** Tokens a second of a prompt of made-up tokens. */
async function llamaDecode(file: string, { rows, rounds, device }: BesideOptions): Promise<number> {
  // Any tokens do; of the first 300 some are not text.
  const tokens = Int32Array.from({ length: rows }, (_, i) => 300 + ((i * 7919) % 3000))
  const gpu = device === 'cuda' ? { gpu: true } : {}
  const request = { repack: true, path: file, libraries: librariesFolder(), threads: 4, ...gpu }
  let best = 0
  for (let round = 0; round < Math.min(2, rounds); round++) {
    const wanted = { tokens, rows: Int32Array.of(rows - 1), context: rows, batch: Math.min(2048, rows) }
    best = Math.max(best, rows / (await loadOracle().decode({ ...request, ...wanted })).seconds)
  }
  return best
}

/** Found, looked through, cut, tokenised, read and kept, by an engine whose model is loaded and has read before. */
async function wholeWay(
  root: string,
  { file }: Model,
  profile: string | undefined,
  kept: 'in memory' | 'on disk',
  { device, weights }: BesideOptions,
): Promise<Measured> {
  return inTemporaryFolder(async (folder) => {
    const small = await smallFolder(folder)
    const client = new EngineClient()
    try {
      const memory = kept === 'on disk' ? path.join(folder, 'memory') : null
      const chosen = { device, weights, model: file, ...(profile === undefined ? {} : { profile }) }
      const request = { ...(await defaultAsk(path.resolve(root), memory, 0)), ...chosen }
      await client.call('stream', { ...request, root: small, memory: null })
      const started = performance.now()
      const { files, tokens } = await client.call('stream', request)
      const seconds = (performance.now() - started) / 1000
      return { rate: tokens / seconds, fields: { kept, files, tokens, seconds: round(seconds, 2) } }
    } finally {
      await client.dispose()
    }
  })
}
