/**
 * A tiny model with random weights that computes what a real one computes, only without sense: for tests of everything around the
 * model. It is made again at every run, the same bytes each time.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon } from '../../extension/engine/addon'
import { fingerprint } from '../../extension/engine/model-file'
import type { LoadedModel } from '../../extension/recall/loaded'
import type { Profile } from '../../extension/recall/profile'
import { tinyModel, writeGguf } from './gguf-writer'
import { random } from './random'
import { temporaryFolder } from './temp'

/** Reads and recalls with the tiny model; two of its query heads share a key head. */
export const tinyProfile: Profile = {
  name: 'tiny',
  shape: { layers: 2, heads: 2, embedding: 32 },
  heads: [
    { layer: 0, head: 0, weight: 0.5 },
    { layer: 1, head: 0, weight: 0.25 },
    { layer: 1, head: 1, weight: 0.25 },
  ],
  distance: 64,
  rarityPower: 0.5,
  window: 128,
  sinks: 4,
  keyFormat: 'q8',
  prompt: { before: '', between: '\n' },
  bank: ['Who is signed in?', 'Where is it?', 'What is this?'],
  lexicalWeight: 0.5,
  rerankWeight: 0.2,
}

/** A GGUF file with weights that keep values finite. */
export function writeRandomModel(file: string): string {
  const model = tinyModel()
  const bytes = writeGguf(model)
  const below = random(1)
  let at = bytes.length - dataBytes(model.tensors)
  for (const { shape, type } of model.tensors) {
    const values = shape.reduce((a, b) => a * b, 1)
    if (type === 0) for (let i = 0; i < values; i++) bytes.writeFloatLE(0.8 + below(1000) / 2500, at + i * 4)
    else
      for (let i = 0; i < values / 32; i++) {
        // A Q8_0 block: an F16 scale (0x2000 is 2^-7), then 32 bytes.
        bytes.writeUInt16LE(0x2000, at + i * 34)
        for (let j = 0; j < 32; j++) bytes.writeInt8(below(60) - 30, at + i * 34 + 2 + j)
      }
    at += padded(type === 0 ? values * 4 : (values / 32) * 34)
  }
  writeFileSync(file, bytes)
  return file
}

const padded = (bytes: number): number => Math.ceil(bytes / 32) * 32

const dataBytes = (tensors: ReturnType<typeof tinyModel>['tensors']): number =>
  tensors.reduce((sum, { shape, type }) => {
    const values = shape.reduce((a, b) => a * b, 1)
    return sum + padded(type === 0 ? values * 4 : (values / 32) * 34)
  }, 0)

/** Loads it from a file, or makes one. */
export async function loadRandomModel(file?: string): Promise<LoadedModel> {
  const addon = loadAddon()
  const path = file ?? writeRandomModel(join(temporaryFolder(), 'random.gguf'))
  const options = { path, weights: 'file', threads: 1, libraries: librariesFolder() } as const
  const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
  return { addon, model, profile: tinyProfile, threads: 1, fingerprint: `${fingerprint(path)}-file` }
}
