/**
 * Reading a folder without the model: files found, looked through for secrets, cut, tokenised, their words counted and held, with the
 * keys of nothing in place of what the model would make. It says how quickly a GPU could be fed, and gives what it would have been fed.
 */
import { cancellable, loadAddon, type EpisodeTokens, type NativeModel } from '../../../extension/engine/addon'
import type { LoadedModel } from '../../../extension/recall/loaded'
import { Memory } from '../../../extension/recall/memory'
import { headsOf } from '../../../extension/recall/profile'

/** Tokens in a call where the model names none: what a GPU takes for the default model. */
const usualTogether = 131_072

export interface Fed {
  readonly files: number
  readonly units: number
  readonly tokens: number
  readonly seconds: number
  /** Seconds of the processor's time, of all threads. */
  readonly processorSeconds: number
  /** What the model was to read, call by call. */
  readonly calls: readonly (readonly EpisodeTokens[])[]
}

/** Reads the folder `root` so. `loaded` reads nothing meanwhile but three tokens. */
export async function feed(root: string, loaded: LoadedModel): Promise<Fed> {
  const { model, profile } = loaded
  const addon = loadAddon()
  const how = {
    heads: headsOf(profile),
    window: profile.window,
    sinks: profile.sinks,
    keyFormat: profile.keyFormat,
  }
  const three = { tokens: Int32Array.of(1, 2, 3), units: Uint32Array.of(0, 3) }
  const [read] = await cancellable(addon, undefined, (cancel) => model.readMany([three], how, cancel, () => undefined))
  if (!read) throw new Error('The model read nothing.')
  const calls: (readonly EpisodeTokens[])[] = []
  const info = model.info()
  const own: Pick<NativeModel, 'info' | 'readMany'> = {
    info: () => ({ ...info, together: info.together || usualTogether }),
    readMany: (episodes) => {
      calls.push(episodes)
      return Promise.resolve(episodes.map(({ units }) => read.pick(new Int32Array(units.length / 2).fill(-1))))
    },
  }
  // A native object's methods want the object itself, so they are laid over it and taken away again.
  for (const [name, value] of Object.entries(own)) Object.defineProperty(model, name, { value, configurable: true })
  try {
    const log = () => undefined
    const withoutBank = { ...loaded, profile: { ...profile, bank: [] } }
    const before = process.cpuUsage()
    const started = performance.now()
    const memory = await Memory.open(root, withoutBank, { breadcrumbs: true, folder: null, log })
    try {
      const { files, units } = await memory.read({ signal: new AbortController().signal, progress: log, log })
      const seconds = (performance.now() - started) / 1000
      const { user, system } = process.cpuUsage(before)
      const tokens = calls.flat().reduce((sum, one) => sum + one.tokens.length, 0)
      return { files, units, tokens, seconds, processorSeconds: (user + system) / 1e6, calls }
    } finally {
      await memory.close()
    }
  } finally {
    for (const name of Object.keys(own)) Reflect.deleteProperty(model, name)
  }
}
