/** A GPU for tests: they are skipped, with the reason, where none can be used. */
import {
  cancellable,
  librariesFolder,
  loadAddon,
  type LoadOptions,
  type NativeModel,
} from '../../extension/engine/addon'
import { chooseDevice } from '../../extension/engine/cuda'
import { asLongreadError } from '../../extension/errors'

/** For `before`: skips the suite unless CUDA can be used. */
export async function needsCuda(this: Mocha.Context): Promise<void> {
  this.timeout(120_000)
  try {
    await chooseDevice(loadAddon(), 'cuda', () => undefined)
  } catch (thrown) {
    console.log(`      skipped: ${asLongreadError(thrown).message}`)
    this.skip()
  }
}

export const loadOn = (
  device: 'cpu' | 'cuda',
  path: string,
  more: Partial<Pick<LoadOptions, 'weights' | 'gpuLayers' | 'threads'>> = {},
): Promise<NativeModel> => {
  const addon = loadAddon()
  const options = { path, weights: 'file', threads: 2, libraries: librariesFolder(), device, ...more } as const
  return cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
}
