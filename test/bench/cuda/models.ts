/** Models as benches load them into their own process, with a profile to read files by. */
import { mkdir, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type LoadOptions,
  type NativeModel,
} from '../../../extension/engine/addon'
import { ownKernels } from '../../../extension/engine/cuda'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { defaultProfile, profileFor, type Profile } from '../../../extension/recall/profile'
import { defaultAsk } from '../facts/asking'

/** A folder of one small file within another, which a model reads first: what comes later is warm. */
export async function smallFolder(folder: string): Promise<string> {
  const small = path.join(folder, 'small')
  await mkdir(small)
  await writeFile(path.join(small, 'a.py'), 'def add(a, b):\n    return a + b\n')
  return small
}

export interface BenchModel {
  /** A GGUF file; undefined: the default model. */
  readonly file: string | undefined
  readonly device: 'cpu' | 'cuda'
  /** Default: `fast`. */
  readonly weights?: 'fast' | 'fp8' | undefined
  /** Our own kernels; without, those of the GPU where it is one. */
  readonly places?: Pick<LoadOptions, 'kernels' | 'cublas'> | undefined
  /** Where a profile is written if there is none. */
  readonly folder: string
  /** How many reference questions that one has; default: as many as the default model's. */
  readonly questions?: number | undefined
}

export const defaultModel = async (): Promise<string> => (await defaultAsk('.', null, 0)).model

/** `use` gets the file of the profile where one was made. The model is let go of afterwards. */
export async function withModel<T>(
  { file, device, weights = 'fast', places, folder, questions }: BenchModel,
  use: (loaded: LoadedModel, profileFile: string | undefined) => Promise<T>,
): Promise<T> {
  const addon = loadAddon()
  const libraries = librariesFolder()
  const kernels = places ?? (device === 'cpu' ? {} : ownKernels(libraries))
  const threads = os.availableParallelism()
  const options = { path: file ?? (await defaultModel()), weights, threads, libraries, device, ...kernels } as const
  const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
  try {
    let profile = profileFor(model.info())
    let profileFile: string | undefined
    if (profile === undefined) {
      profile = randomProfile(model, questions)
      profileFile = path.join(folder, 'random.profile.json')
      await writeFile(profileFile, JSON.stringify(profile))
    }
    return await use({ addon, model, profile, threads, fingerprint: 'bench' }, profileFile)
  } finally {
    model.dispose()
  }
}

/** A profile of as many heads as the default one has, for a model of random weights, whose heads are all alike. */
function randomProfile(model: NativeModel, questions?: number): Profile {
  const { layers, heads, embedding } = model.info()
  const deepest = Math.floor((layers * 5) / 6)
  const count = Math.min(defaultProfile.heads.length, deepest * heads)
  return {
    ...defaultProfile,
    shape: { layers, heads, embedding },
    name: 'random',
    bank: defaultProfile.bank.slice(0, questions),
    heads: Array.from({ length: count }, (_, i) => ({
      layer: Math.floor(((i + 1) * deepest) / count),
      head: i % heads,
      weight: 1 / count,
    })),
  }
}
