/** Loads a model through the addon, and tells how far it is. */
import type { Progress } from '../protocol/types'
import { cancellable, type LoadOptions, type NativeAddon, type NativeModel } from './addon'
import type { CallTools } from './handlers-type'

export function loadModel(
  addon: NativeAddon,
  options: LoadOptions,
  { signal, progress }: Pick<CallTools, 'signal' | 'progress'>,
): Promise<NativeModel> {
  const started = performance.now()
  const report = (fraction: number) => {
    const seconds = (performance.now() - started) / 1000
    const told: Progress = { phase: 'load', done: Math.round(fraction * 100), total: 100, unit: 'units', rate: 0 }
    progress(seconds > 0 && fraction > 0 ? { ...told, etaSeconds: (seconds / fraction) * (1 - fraction) } : told)
  }
  return cancellable(addon, signal, (cancel) => addon.loadModel(options, cancel, report))
}
