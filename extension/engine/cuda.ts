/**
 * Whether a GPU computes. ggml's CUDA backend is 100 MB and more and no part of the package: who has an NVIDIA GPU installs it once,
 * into the cache folder, beside this package, or anywhere that LONGREAD_CUDA names; and CUDA's own libraries with it where the system
 * has none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { noCuda } from '../errors'
import type { EngineOptions } from '../protocol/types'
import { librariesFolder, packageRoot, type CudaMissing, type LoadOptions, type NativeAddon } from './addon'
import { cacheFolder } from './catalogue'
import type { Log } from './handlers-type'

/** Of the release that the package's own ggml is of; another would not fit it. */
const cudaPackage = '@node-llama-cpp/linux-x64-cuda'
const library = 'libggml-cuda.so'

export interface CudaPlaces {
  /** ggml's CUDA backend, or empty where there is none that fits. */
  readonly library: string
  /** It is of one's own (LONGREAD_CUDA), not the prebuilt one, whose needs are known. */
  readonly own: boolean
  /** Where CUDA's own libraries may lie beside the system's places. */
  readonly folders: readonly string[]
}

/** What is added to a machine for CUDA goes here, by npm and by pip. */
export const cudaFolder = (): string => path.join(cacheFolder(), 'cuda')

/** Looks for what is installed. `libraries` is the folder of ggml's CPU libraries. */
export function cudaPlaces(libraries: string): CudaPlaces {
  const named = process.env['LONGREAD_CUDA']
  const installed = [path.resolve(libraries, '../../..'), path.join(cudaFolder(), 'node_modules/@node-llama-cpp')]
    .map((scope) => path.join(scope, path.basename(cudaPackage)))
    .filter((folder) => releaseOf(folder) === releaseOf(path.resolve(libraries, '../..')))
    .map((folder) => path.join(folder, 'bins', path.basename(cudaPackage)))
  const candidates = [...(named === undefined ? [] : [named]), ...installed]
  const roots = [...(named === undefined ? [] : [named]), cudaFolder()]
  const found = candidates.map((folder) => path.join(folder, library)).find(existsSync) ?? ''
  return {
    library: found,
    own: named !== undefined && found === path.join(named, library),
    folders: [...roots, ...roots.flatMap(pipFolders), ...toolkitFolders()],
  }
}

/** Where CUDA's toolkit puts libraries: where its variables say, or in its usual places, the newest 13 first. */
function toolkitFolders(): string[] {
  const local = '/usr/local'
  const numbered = existsSync(local) ? readdirSync(local).filter((name) => name.startsWith('cuda-13')) : []
  const roots = [
    ...['CUDA_HOME', 'CUDA_PATH'].flatMap((name) => process.env[name] ?? []),
    `${local}/cuda`,
    ...numbered.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })).map((name) => path.join(local, name)),
    '/opt/cuda',
  ]
  return roots.flatMap((root) => [path.join(root, 'lib64'), path.join(root, 'targets/x86_64-linux/lib')])
}

/** Where NVIDIA's packages of the Python index put libraries: nvidia/NAME/lib. */
function pipFolders(root: string): string[] {
  const nvidia = path.join(root, 'nvidia')
  if (!existsSync(nvidia)) return []
  return readdirSync(nvidia)
    .sort()
    .map((name) => path.join(nvidia, name, 'lib'))
    .filter(existsSync)
}

function releaseOf(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: string }).version
  } catch {
    return undefined
  }
}

/**
 * Our own kernels, where they were built (.ci/cuda; a package holds them where its builder had CUDA's compiler), and the cuBLASLt that
 * they multiply with: ggml's CUDA backend needs it, too, so that it is somewhere once that has been found.
 */
export function ownKernels(libraries: string, root = packageRoot()): Pick<LoadOptions, 'kernels' | 'cublas'> {
  const kernels = path.join(root, 'native/build/Release/longread-cuda.so')
  if (!existsSync(kernels)) return {}
  const name = 'libcublasLt.so.13'
  const files = cudaPlaces(libraries).folders.map((folder) => path.join(folder, name))
  return { kernels, cublas: files.find(existsSync) ?? name }
}

/** The commands that bring what is missing. */
const remedies: Readonly<Record<Exclude<CudaMissing, ''>, (libraries: string) => string>> = {
  driver: () => 'install the driver of the GPU',
  library: (libraries) =>
    `run: npm install --prefix ${cudaFolder()} ${cudaPackage}@${releaseOf(path.resolve(libraries, '../..')) ?? 'latest'}`,
  runtime: () =>
    `install CUDA 13, or run: pip install --target ${cudaFolder()} "nvidia-cublas==13.*" "nvidia-cuda-runtime==13.*"`,
  'newer-driver': () =>
    'install driver 590 or newer, or build libggml-cuda.so of the same release for this GPU and name its folder in LONGREAD_CUDA',
  gpu: () => 'the driver must be 580 or newer and see a GPU; "nvidia-smi" tells',
}

/** What computes, before a model is loaded there. */
export interface Chosen {
  readonly kind: 'cpu' | 'cuda'
  /** Of the GPU. */
  readonly name: string
}

/**
 * `cuda` or `cpu`, whichever serves what is asked for; for `auto`, one line tells why it is not a GPU.
 * @throws LongreadError `no-cuda` when `cuda` is asked for and something is missing: what, and how to get it.
 */
export async function chooseDevice(
  addon: Pick<NativeAddon, 'findCuda'>,
  wanted: EngineOptions['device'],
  log: Log,
  libraries = librariesFolder(),
): Promise<Chosen> {
  const processor: Chosen = { kind: 'cpu', name: '' }
  if (wanted === 'cpu') return processor
  const places = cudaPlaces(libraries)
  const { missing, detail } = await addon.findCuda(libraries, places.library, places.folders, places.own)
  if (missing === '') return { kind: 'cuda', name: detail }
  const error = noCuda(missing, detail, remedies[missing](libraries))
  if (wanted === 'cuda') throw error
  // A machine without an NVIDIA GPU lacks nothing that could be got.
  log(missing === 'library' || missing === 'runtime' ? 'warn' : 'info', `The processor computes. ${error.message}`)
  return processor
}
