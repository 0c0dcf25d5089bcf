/**
 * Calibration as the engine process does it: corpora from folders, segments of the wide profile in a folder of their own, and the
 * profile kept as the model's own, in the memory folder under the fingerprint of its weights.
 */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { diskFailure, noFolder } from '../errors'
import type { CalibrateRequest, CalibrateResult, StreamRequest } from '../protocol/types'
import { calibrate } from '../recall/calibration/calibrate'
import { chooseCorpus, type Corpus } from '../recall/calibration/corpus'
import type { Step } from '../recall/calibration/features'
import type { LoadedModel } from '../recall/loaded'
import { defaultProfile, readProfile, type Profile } from '../recall/profile'
import { writeWhole } from '../store/whole-file'
import type { CallTools } from './handlers-type'

/**
 * What a workspace's own calibration reads and asks: less than a minute with the default model, and about what its whole
 * memory costs where the workspace is small. One repository cannot tell distances apart, so none are tried.
 */
export const ownCalibration = {
  tokens: 20_000,
  questions: 60,
  seed: 1,
  layers: 0,
  heads: 20,
  distances: [defaultProfile.distance],
} as const

/** The request that calibrates a model on the workspace it is to read. */
export const requestFor = (request: StreamRequest, root: string): CalibrateRequest => ({
  ...request,
  ...ownCalibration,
  roots: [root],
  command: `longread calibrate ${path.basename(root)}`,
  keep: true,
})

const keptFile = (memory: string, fingerprint: string) => path.join(memory, 'profiles', `${fingerprint}.json`)

/** The profile that was kept for a model, if one was and it is whole. */
export async function keptProfile(
  memory: string | null,
  { model, fingerprint }: Omit<LoadedModel, 'profile'>,
): Promise<Profile | undefined> {
  if (memory === null) return undefined
  return readProfile(keptFile(memory, fingerprint), model.info()).catch(() => undefined)
}

/** `profile` is what the result holds as JSON. Rejects with `bad-corpus`, `no-folder`, `disk` and `cancelled`. */
export async function calibrateOn(
  loaded: Omit<LoadedModel, 'profile'>,
  request: CalibrateRequest,
  { signal, progress, log }: Pick<CallTools, 'signal' | 'progress' | 'log'>,
  { step, keepSegments }: { readonly step: Step; readonly keepSegments: boolean },
): Promise<{ profile: Profile; result: CalibrateResult }> {
  const warn = (message: string) => log('warn', message)
  const { seed, tokens, questions, layers, heads, distances, memory, command } = request
  const tokensOf = (text: string) => loaded.model.tokenize(text, false).length
  const corpora: Corpus[] = []
  for (const root of request.roots) {
    const folder = await realpath(root).catch(() => {
      throw noFolder(root)
    })
    corpora.push(await chooseCorpus(folder, { seed, tokens, questions, tokensOf, signal, log: warn }))
  }
  const own = keepSegments && memory !== null ? path.join(memory, 'calibration') : undefined
  const folder = own ?? (await mkdtemp(path.join(os.tmpdir(), 'longread-calibration-')))
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw diskFailure(folder, cause)
    })
    const { profile, figures } = await calibrate(loaded, {
      ...{ corpora, seed, layers, heads, distances, folder, signal, progress, log: warn, step },
      base: defaultProfile,
      made: { command, tokens },
    })
    const json = `${JSON.stringify(profile, null, 2)}\n`
    const kept = request.keep && memory !== null ? keptFile(memory, loaded.fingerprint) : null
    if (kept !== null)
      await writeWhole(kept, json).catch((cause: unknown) => {
        throw diskFailure(kept, cause)
      })
    const { distance, bank } = profile
    const result = { profile: json, kept, heads: profile.heads.length, distance, bank: bank.length, figures }
    return { profile, result }
  } finally {
    if (own === undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** In one line: what a model was calibrated on and how well it does, honestly. */
export function calibratedLine({ figures, kept }: CalibrateResult): string {
  const { mean, repositories } = figures
  const questions = repositories.reduce((sum, one) => sum + one.questions, 0)
  const share = (value: number) => value.toFixed(3).replace(/^0/, '')
  return `Calibrated on ${questions} documented functions; on those it was not fitted on it ranks with unit MRR ${share(mean.heldOut)}, words alone with ${share(mean.words)}.${kept === null ? '' : ` Kept in ${kept}.`}`
}
