/**
 * What is looked up while a repository is read, by how well the model then foretells its code: the mean surprise (nats) of tokens of
 * files, all of them read file by file, so that nothing differs but the units that may be looked up and the order of files. Of files
 * that import others of the repository apart; and how much less each token surprises than by the paper's way, with the standard error of the mean.
 *
 *   longread bench lookups --repository NAME|SPLIT|DIR,… [--model NAME|FILE] [--device cpu|cuda|auto] [--ways NAME,…] [--set …]
 *     [--threads N] [--out FILE]
 *
 * Tokens that are asked for are every eighth, at most 512 of a file; the same for all ways. --out: a line for each way and
 * repository is added to FILE.
 */
import { appendFile } from 'node:fs/promises'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { librariesFolder, loadAddon, type NativeAddon, type NativeModel } from '../../../extension/engine/addon'
import { resolveModel } from '../../../extension/engine/catalogue'
import { chooseDevice, ownKernels } from '../../../extension/engine/cuda'
import { layOutRepository } from '../../../extension/infllm/layout'
import { partsOf } from '../../../extension/infllm/lookup'
import { settingsOf, usualParameters, type StreamParameters } from '../../../extension/infllm/parameters'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'
import { isOfCorpus } from '../recall/prepare'
import { machine } from '../recall/figures'

const ways: Readonly<Record<string, Partial<StreamParameters>>> = {
  paper: {},
  window: { topk: 0, maxCachedBlock: 0 },
  other: { lookup: 'other' },
  'imports-before': { order: 'imports' },
  'imports-other': { order: 'imports', lookup: 'other' },
  imports: { order: 'imports', lookup: 'imports' },
}

const [every, mostOfFile] = [8, 512]

/** By file: the surprise of each token that is asked for, and whether the file imports another one. */
export type Surprises = ReadonlyMap<string, { readonly imports: boolean; readonly nats: readonly number[] }>

export async function surprisesOf(
  addon: NativeAddon,
  model: NativeModel,
  root: string,
  parameters: StreamParameters,
): Promise<Surprises> {
  const { beginToken } = model.info()
  const before = Int32Array.from(beginToken >= 0 ? [beginToken] : [])
  const quiet = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined }
  const options = { before, breadcrumbs: false, ...quiet }
  const stream = await layOutRepository(model, root, { ...options, order: parameters.order })
  // What a file imports is known by this order alone.
  const { files } =
    parameters.order === 'imports' ? stream : await layOutRepository(model, root, { ...options, order: 'imports' })
  const importing = new Set(files.filter(({ imports }) => imports.length > 0).map(({ file }) => file))
  const byStart = new Map(stream.files.map((file) => [file.from, file]))
  const found = new Map<string, { imports: boolean; nats: number[] }>()
  const memory = new addon.InfLlm(model, parameters)
  try {
    let at = 0
    const { lookup } = parameters
    for (const { tokens, lengths, ...among } of partsOf(stream, lookup === 'all' ? 'other' : lookup)) {
      const file = byStart.get(at)?.file
      const step = Math.max(every, Math.ceil(tokens.length / mostOfFile))
      const rows = Int32Array.from(
        { length: file === undefined ? 0 : Math.floor((tokens.length - 1) / step) },
        (_, i) => (i + 1) * step - 1,
      )
      const request = { tokens, lengths, rows, trace: false, ...(lookup === 'all' ? {} : among) }
      const { logits } = await memory.read(request, new addon.Cancel(), () => undefined)
      if (file !== undefined) {
        const wide = logits.length / Math.max(1, rows.length)
        const nats = Array.from(rows, (row, i) =>
          surprise(logits.subarray(i * wide, (i + 1) * wide), tokens[row + 1] ?? 0),
        )
        found.set(file, { imports: importing.has(file), nats })
      }
      at += tokens.length
    }
  } finally {
    memory.dispose()
  }
  return found
}

/** The negative logarithm of the probability that logits give a token. */
export function surprise(logits: Float32Array, token: number): number {
  let most = -Infinity
  for (const logit of logits) most = Math.max(most, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - most)
  return most + Math.log(sum) - (logits[token] ?? NaN)
}

export interface Compared {
  readonly tokens: number
  readonly nats: number
  /** Less than by the other way, and the standard error of that mean. */
  readonly gain: number
  readonly error: number
}

/** Of the same tokens read by two ways; `which`: of files that import alone. */
export function compare(is: Surprises, other: Surprises, importing: boolean): Compared {
  const pairs = [...is].flatMap(([file, { imports, nats }]) =>
    imports || !importing ? nats.map((one, i) => [one, other.get(file)?.nats[i] ?? NaN] as const) : [],
  )
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const gains = pairs.map(([one, than]) => than - one)
  const gain = mean(gains)
  const error = Math.sqrt(mean(gains.map((one) => (one - gain) ** 2)) / gains.length)
  return { tokens: pairs.length, nats: mean(pairs.map(([one]) => one)), gain, error }
}

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      repository: { type: 'string', default: 'development' },
      device: { type: 'string', default: 'cpu' },
      ways: { type: 'string', default: Object.keys(ways).join(',') },
      set: { type: 'string', default: '' },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  })
  const chosen = [...new Set(['paper', ...values.ways.split(',').map((name) => name.trim())])].map((name) => {
    const own = ways[name]
    if (!own) throw new Error(`--ways takes ${Object.keys(ways).join(', ')}, not "${name}".`)
    return { name, own }
  })
  if (!['cpu', 'cuda', 'auto'].includes(values.device))
    throw new Error(`--device takes cpu, cuda, auto, not "${values.device}".`)
  const settings = settingsOf(values.set, '--set')
  const { path: file } = await resolveModel(values.model)
  const [addon, libraries] = [loadAddon(), librariesFolder()]
  const tell = (_: unknown, message: string) => void process.stderr.write(`${message}\n`)
  const { kind, name: gpu } = await chooseDevice(addon, values.device as 'cpu' | 'cuda' | 'auto', tell)
  const there = kind === 'cuda' ? { device: kind, ...ownKernels(libraries) } : {}
  const load = { path: file, weights: 'fast', threads: Number(values.threads), libraries, ...there } as const
  const model = await addon.loadModel(load, new addon.Cancel(), () => undefined)
  const usual = { ...usualParameters(model.info()), ...settings }
  for (const { name: repository, root } of await repositories(values.repository.split(','))) {
    let paper: Surprises | undefined
    for (const { name, own } of chosen) {
      const parameters = { ...usual, ...own }
      const started = performance.now()
      const is = await surprisesOf(addon, model, root, parameters)
      const seconds = (performance.now() - started) / 1000
      paper ??= is
      const [all, importing] = [compare(is, paper, false), compare(is, paper, true)]
      const told = ({ nats, gain, error, tokens }: Compared) =>
        `${nats.toFixed(4)} (${gain.toFixed(4)} less, ± ${error.toFixed(4)}, ${tokens} tokens)`
      process.stdout.write(
        `${repository}, ${name}: ${told(all)}; of files that import ${told(importing)}; ${seconds.toFixed(0)} s\n`,
      )
      const line = {
        repository,
        way: name,
        model: model.info().name,
        parameters: settings,
        all,
        importing,
        seconds,
        machine: kind === 'cuda' ? `${gpu}; ${machine()}` : machine(),
      }
      if (values.out !== undefined) await appendFile(values.out, `${JSON.stringify(line)}\n`)
    }
  }
  model.dispose()
}

async function repositories(what: readonly string[]) {
  const found: { name: string; root: string }[] = []
  for (const one of what.map((name) => name.trim()))
    if (isOfCorpus(one))
      for (const repository of chooseRepositories([one]))
        found.push({ name: repository.name, root: (await fetchRepository(repository)).folder })
    else found.push({ name: path.basename(path.resolve(one)), root: path.resolve(one) })
  return found
}
