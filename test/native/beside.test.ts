/**
 * Generating with a device beside the processor, as a GPU is: what is given to it and what comes back, in one wait a token, must be
 * what the processor alone makes. The device is the processor once more, so that this needs no GPU.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cancellable, librariesFolder, loadAddon, type GenerateOptions } from '../../extension/engine/addon'
import { u32, writeGguf } from '../support/gguf-writer'
import { run, spansOf } from '../support/model'
import { loadOracle } from '../support/oracle'
import { gaussian, randomModel, type RandomOptions } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

const models: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama' },
  'gemma3 that slides': { architecture: 'gemma3', metadata: { 'attention.sliding_window': u32(24) } },
}

for (const [name, options] of Object.entries(models))
  describe(`generating with a device beside the processor, ${name}`, () => {
    const random = randomModel(options)
    const path = join(temporaryFolder(), 'model.gguf')
    const normal = gaussian(5)
    const request: GenerateOptions = {
      tokens: Int32Array.from({ length: 250 }, () => Math.floor(Math.abs(normal()) * 1e6) % random.vocab),
      temperature: 0,
      topP: 0.9,
      seed: 7,
      // The cache grows by a block of 256 slots on the way.
      maxTokens: 40,
      watch: spansOf([0, 40, 200]),
      watchHeads: [
        { layer: 1, head: 3 },
        { layer: 6, head: 0 },
        { layer: 1, head: 0 },
      ],
    }
    before(() => writeFileSync(path, writeGguf(random.gguf)))

    async function alone(wanted: GenerateOptions) {
      const addon = loadAddon()
      const load = { path, weights: 'file', threads: 1, libraries: librariesFolder() } as const
      const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(load, cancel, () => undefined))
      const made: number[] = []
      const attention: number[] = []
      await run((cancel) =>
        model.generate(wanted, cancel, (_, token) => {
          if (!token) return
          made.push(token.token)
          attention.push(...token.attention)
        }),
      )
      model.dispose()
      return { made, attention }
    }
    const beside = (wanted: GenerateOptions, layers: number) =>
      loadOracle().generateBeside({ ...wanted, path, libraries: librariesFolder(), threads: 1, layers })

    for (const temperature of [0, 0.8])
      for (const layers of [random.layers + 1, 3, 0])
        it(`makes the same tokens and attention at temperature ${temperature} with ${layers} of ${random.layers} layers there`, async () => {
          const should = await alone({ ...request, temperature })
          assert.ok(should.made.length >= 20)
          assert.ok(new Set(should.made).size > 1)
          const is = await beside({ ...request, temperature }, layers)
          assert.deepEqual([...is.tokens], should.made)
          assert.deepEqual([...is.attention], should.attention)
          // At the same time, where all of the model is there.
          assert.equal(is.warm, layers > random.layers ? 6 : 0)
        })
  })
