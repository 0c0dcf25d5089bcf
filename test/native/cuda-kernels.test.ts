/**
 * Our own CUDA kernels. Their references on the processor are held against the engine everywhere: the same steps over the same
 * arrays as on a GPU, down to the bytes that are kept. The kernels are held against the references where there is a GPU.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { librariesFolder, packageRoot } from '../../extension/engine/addon'
import { cudaPlaces } from '../../extension/engine/cuda'
import { f32, str, u32, writeGguf } from '../support/gguf-writer'
import { randomModel, type RandomOptions } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

const run = promisify(execFile)
const program = (name: string): string => join(packageRoot(), 'native/build/Release', name)

/** Prints a line a comparison and how many held; a failed one ends it with 1. */
async function checked(name: string, ...given: readonly string[]): Promise<string> {
  try {
    return (await run(program(name), given)).stdout
  } catch (thrown) {
    const { stdout = '', stderr = '' } = thrown as { stdout?: string; stderr?: string }
    return `${stdout}${stderr}`
  }
}

/** All comparisons held, and there were many. */
function assertHeld(told: string, most: number): void {
  const [, held, all] = /^(\d+) of (\d+)$/m.exec(told) ?? []
  const failed = told.split('\n').filter((line) => !line.startsWith('ok'))
  assert.ok(held !== undefined && held === all && Number(all) >= most, failed.join('\n'))
}

const models: Readonly<Record<string, RandomOptions>> = {
  llama: { architecture: 'llama' },
  'llama with angles of Llama 3.1': { architecture: 'llama', with: /rope_freqs/ },
  'llama of linearly stretched positions': {
    architecture: 'llama',
    metadata: { 'rope.scaling.type': str('linear'), 'rope.scaling.factor': f32(3) },
  },
  'qwen2 with biases': { architecture: 'qwen2' },
  'qwen3 with norms of heads, stretched by YaRN': {
    architecture: 'qwen3',
    headSize: 64,
    metadata: {
      'rope.scaling.type': str('yarn'),
      'rope.scaling.factor': f32(4),
      'rope.scaling.original_context_length': u32(256),
    },
  },
}

describe('the references of our CUDA kernels', function () {
  this.timeout(300_000)
  for (const [name, options] of Object.entries(models))
    it(`keep of episodes of a ${name} model what the engine keeps`, async () => {
      const path = join(temporaryFolder(), 'model.gguf')
      writeFileSync(path, writeGguf(randomModel({ layers: 4, full: true, ...options }).gguf))
      const told = await checked('reference-check', librariesFolder(), path, '96', '4')
      assert.match(told, /^6 of 6$/m, told)
    })

  it('do so without sinks, and where no window slides', async () => {
    const path = join(temporaryFolder(), 'model.gguf')
    writeFileSync(path, writeGguf(randomModel({ architecture: 'llama', layers: 3, full: true }).gguf))
    for (const window of [
      ['96', '0'],
      ['4096', '4'],
    ]) {
      const told = await checked('reference-check', librariesFolder(), path, ...window)
      assert.match(told, /^6 of 6$/m, told)
    }
  })
})

describe('our CUDA kernels', function () {
  this.timeout(600_000)

  it('compute what their references do when each of their threads runs on the processor, in either order', async function () {
    if (!existsSync(program('emulated-check'))) {
      console.log('      skipped: built by .ci/cuda')
      this.skip()
    }
    assertHeld(await checked('emulated-check'), 270)
  })

  it('compute what their references do on a GPU', async function () {
    const skip = (why: string) => {
      console.log(`      skipped: ${why}`)
      this.skip()
    }
    if (!existsSync(program('cuda-check'))) skip('built by .ci/cuda where nvcc is')
    const { folders } = cudaPlaces(librariesFolder())
    const cublas = folders.map((folder) => join(folder, 'libcublasLt.so.13')).find(existsSync)
    const told = await checked('cuda-check', ...(cublas === undefined ? [] : [cublas]))
    if (told.startsWith('there is no GPU')) skip(told.trim())
    assertHeld(told, 140)
  })
})
