/** Whether a GPU computes: where its libraries are looked for, and what is said when something is missing. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CudaMissing, NativeAddon } from '../../extension/engine/addon'
import { chooseDevice, cudaFolder, cudaPlaces, ownKernels } from '../../extension/engine/cuda'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
const scope = join(folder, 'node_modules/@node-llama-cpp')
const libraries = join(scope, 'linux-x64/bins/linux-x64')

function install(at: string, name: string, version: string): string {
  const bins = join(at, name, 'bins', name)
  mkdirSync(bins, { recursive: true })
  writeFileSync(join(at, name, 'package.json'), JSON.stringify({ version }))
  const file = join(bins, 'libggml-cuda.so')
  if (name !== 'linux-x64') writeFileSync(file, '')
  return file
}

const addonThat = (missing: CudaMissing, detail = ''): Pick<NativeAddon, 'findCuda'> => ({
  findCuda: () => Promise.resolve({ missing, detail }),
})

describe('CUDA', () => {
  const before_ = { cache: process.env['LONGREAD_CACHE'], cuda: process.env['LONGREAD_CUDA'] }

  before(() => {
    process.env['LONGREAD_CACHE'] = join(folder, 'cache')
    delete process.env['LONGREAD_CUDA']
    install(scope, 'linux-x64', '3.22.1')
  })

  after(() => {
    for (const [name, value] of [['LONGREAD_CACHE', before_.cache] as const, ['LONGREAD_CUDA', before_.cuda] as const])
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
  })

  it('is looked for in the cache folder, beside the package, and first of all where LONGREAD_CUDA says', () => {
    assert.equal(cudaPlaces(libraries).library, '')
    const cached = install(join(cudaFolder(), 'node_modules/@node-llama-cpp'), 'linux-x64-cuda', '3.22.1')
    assert.equal(cudaPlaces(libraries).library, cached)
    const beside = install(scope, 'linux-x64-cuda', '3.22.1')
    assert.equal(cudaPlaces(libraries).library, beside)
    const named = join(folder, 'named')
    mkdirSync(join(named, 'nvidia/cu13/lib'), { recursive: true })
    process.env['LONGREAD_CUDA'] = named
    assert.equal(cudaPlaces(libraries).library, beside)
    writeFileSync(join(named, 'libggml-cuda.so'), '')
    assert.equal(cudaPlaces(libraries).library, join(named, 'libggml-cuda.so'))
    const { folders } = cudaPlaces(libraries)
    for (const place of [named, join(named, 'nvidia/cu13/lib'), cudaFolder()]) assert.ok(folders.includes(place), place)
    delete process.env['LONGREAD_CUDA']
    const before = process.env['CUDA_HOME']
    process.env['CUDA_HOME'] = join(folder, 'toolkit')
    const own = cudaPlaces(libraries).folders
    if (before === undefined) delete process.env['CUDA_HOME']
    else process.env['CUDA_HOME'] = before
    const toolkit = own.indexOf(join(folder, 'toolkit/lib64'))
    assert.ok(own.indexOf(cudaFolder()) < toolkit && toolkit < own.indexOf('/usr/local/cuda/lib64'))
  })

  it('has our own kernels where they were built, with the cuBLASLt that is beside ggml or the system knows', () => {
    const root = join(folder, 'built')
    assert.deepEqual(ownKernels(libraries, root), {})
    mkdirSync(join(root, 'native/build/Release'), { recursive: true })
    const kernels = join(root, 'native/build/Release/longread-cuda.so')
    writeFileSync(kernels, '')
    assert.equal(ownKernels(libraries, root).kernels, kernels)
    mkdirSync(join(cudaFolder(), 'nvidia/cu13/lib'), { recursive: true })
    const cublas = join(cudaFolder(), 'nvidia/cu13/lib/libcublasLt.so.13')
    writeFileSync(cublas, '')
    assert.equal(ownKernels(libraries, root).cublas, cublas)
  })

  it('of another release than the engine is not taken', () => {
    install(scope, 'linux-x64-cuda', '3.21.0')
    install(join(cudaFolder(), 'node_modules/@node-llama-cpp'), 'linux-x64-cuda', '3.21.0')
    assert.equal(cudaPlaces(libraries).library, '')
  })

  it('is used where nothing is missing, and never where the processor is asked for', async () => {
    const log = () => assert.fail('nothing to say')
    assert.equal((await chooseDevice(addonThat('', 'a GPU'), 'auto', log, libraries)).name, 'a GPU')
    assert.equal((await chooseDevice(addonThat(''), 'cuda', log, libraries)).kind, 'cuda')
    assert.equal((await chooseDevice(addonThat('gpu'), 'cpu', log, libraries)).kind, 'cpu')
  })

  it('that is asked for and cannot be used is one error: what is missing and how to get it', async () => {
    const log = () => assert.fail('an error says it')
    for (const [missing, detail, message] of [
      ['driver', 'libcuda.so.1', /no NVIDIA driver \(libcuda\.so\.1\).* install the driver/],
      ['library', 'libggml-cuda.so', /npm install --prefix \S+cuda @node-llama-cpp\/linux-x64-cuda@3\.22\.1\.$/],
      ['runtime', 'libcublas.so.13', /CUDA 13 is not here \(libcublas\.so\.13\).*pip install --target \S+cuda/],
      ['newer-driver', 'NVIDIA H100', /for NVIDIA H100 .* needs a driver of CUDA 13\.1.* driver 590/],
      ['gpu', '', /no GPU can be used.*nvidia-smi/],
    ] as const)
      assert.match(await rejects(chooseDevice(addonThat(missing, detail), 'cuda', log, libraries), 'no-cuda'), message)
  })

  it('that may be used and cannot be leaves the processor, with one line; a warning only where it could be got', async () => {
    const lines: string[] = []
    const log = (level: string, message: string) => lines.push(`${level}: ${message}`)
    for (const missing of ['driver', 'library'] as const)
      assert.equal((await chooseDevice(addonThat(missing, 'FILE'), 'auto', log, libraries)).kind, 'cpu')
    assert.equal(lines.length, 2)
    assert.match(lines[0]!, /^info: The processor computes\. CUDA cannot be used: there is no NVIDIA driver \(FILE\)/)
    assert.match(lines[1]!, /^warn: The processor computes\. CUDA cannot be used: .*npm install/)
  })
})
