/** The bench that holds reading against its floor and llama_decode, on a tiny model by the kernels as they run on the processor. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sideBySide, type Fields } from '../bench/cuda/beside'
import { emulatedKernels, needsEmulated } from '../support/cuda'
import { temporaryFolder } from '../support/temp'
import { python, workspace } from '../support/workspace'

describe('reading beside its floor and llama_decode', function () {
  this.timeout(600_000)
  before(needsEmulated)

  it('tells each figure once, of the same files, with its share of the floor and how many times llama_decode it is', async () => {
    const root = workspace({ 'a.py': python('add', 1), 'b.md': '# Adding\n\nBy hand.\n' })
    const told: Fields[] = []
    await sideBySide(root, {
      shape: 'tiny',
      weights: 'fast',
      device: 'cpu',
      places: { kernels: emulatedKernels, cublas: '' },
      rows: 16,
      times: 1,
      rounds: 1,
      most: 10_000,
      questions: 2,
      tell: (figure) => void told.push(figure),
    })
    const names = told.map(({ bench }) => bench)
    assert.deepEqual(names, ['llama_decode', 'floor', 'without the model', 'our kernels', 'the whole way', 'the whole way']) // prettier-ignore
    const [llama, floor, ...read] = told as [Fields, Fields, ...Fields[]]
    // Kernels on the processor say of every product that it takes a millisecond: four in each of four layers.
    assert.equal(floor['tokensPerSecond'], 1000)
    assert.equal(floor['layers'], 4)
    const theirs = Number(llama['tokensPerSecond'])
    const tokens = Number(read[0]!['tokens'])
    assert.ok(tokens > 60, `${tokens} tokens`)
    for (const figure of read) {
      assert.equal(figure['files'], 2)
      assert.equal(figure['tokens'], tokens)
      const rate = Number(figure['tokensPerSecond'])
      assert.ok(rate > 0)
      within(figure['shareOfFloor'], (rate - 0.5) / 1000 - 0.001, (rate + 0.5) / 1000 + 0.001)
      if (figure['bench'] === 'without the model') continue
      within(figure['timesLlama'], (rate - 0.5) / (theirs + 0.5) - 0.01, (rate + 0.5) / (theirs - 0.5) + 0.01)
      assert.equal(figure['shareMet'], Number(figure['shareOfFloor']) >= 0.3)
      assert.equal(figure['targetTimes'], 3)
    }
  })

  it('says what is wrong with a folder, a shape or a library that there is not', async () => {
    const like = { weights: 'fast', device: 'cpu', rows: 16, times: 1, rounds: 1, most: 100, questions: 2, tell: () => undefined } as const // prettier-ignore
    await assert.rejects(sideBySide(temporaryFolder(), { ...like, shape: 'huge' }), /--shape takes tiny/)
    const kernels = join(temporaryFolder(), 'none.so')
    writeFileSync(kernels, 'none')
    await assert.rejects(sideBySide(temporaryFolder(), { ...like, shape: 'tiny', places: { kernels, cublas: '' } }), {
      code: 'no-cuda',
    })
  })
})

/** Rates are told in whole tokens, and what is made of them is made before. */
function within(is: Fields[string] | undefined, least: number, most: number): void {
  assert.ok(Number(is) >= least && Number(is) <= most, `${is} is not from ${least} to ${most}`)
}
