/** A model that is loaded, with what is asked of it. */
import type { NativeAddon, NativeModel } from '../engine/addon'
import type { Profile } from './profile'

export interface LoadedModel {
  readonly addon: NativeAddon
  readonly model: NativeModel
  /** Names the weights in the keys of what is stored. */
  readonly fingerprint: string
  readonly profile: Profile
  /** Processor threads for scoring. */
  readonly threads: number
}
