/** A GPU for tests, or our kernels as they run on the processor: tests are skipped, with the reason, where there is none. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  cancellable,
  librariesFolder,
  loadAddon,
  packageRoot,
  type LoadOptions,
  type NativeModel,
} from '../../extension/engine/addon'
import { chooseDevice } from '../../extension/engine/cuda'
import { asLongreadError } from '../../extension/errors'

/** Our own kernels and where they compute. */
export type KernelPlaces = () => Pick<LoadOptions, 'kernels' | 'cublas' | 'device'>

/** What .ci/cuda and the native build make. */
export const built = (name: string): string => join(packageRoot(), 'native/build/Release', name)

/** The kernels' library that runs them on the processor, thread by thread. */
export const emulatedKernels = built('longread-cuda-emulated.so')

/** For `before`: skips the suite where that library was not built. */
export function needsEmulated(this: Mocha.Context): void {
  if (existsSync(emulatedKernels)) return
  console.log('      skipped: built by .ci/cuda')
  this.skip()
}

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
