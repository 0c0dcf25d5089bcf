/** Units are read again from where the model expects every text to start. */
import assert from 'node:assert/strict'
import type { LoadedModel } from '../../extension/recall/loaded'
import { firstUnits, likelihoods } from '../../extension/recall/rerank'

/** A model whose tokens are characters, and which gives back the prefixes it was asked about. */
async function prefixesWith(beginToken: number): Promise<readonly string[]> {
  let asked: readonly Int32Array[] = []
  const model = {
    info: () => ({ beginToken }),
    tokenize: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
    likelihood: (prefixes: readonly Int32Array[]) => {
      asked = prefixes
      return Promise.resolve(new Float32Array(prefixes.length))
    },
  }
  const loaded = { addon: { Cancel: AbortController }, model } as unknown as LoadedModel
  const unit = { file: 'a.py', startLine: 1, endLine: 1, kind: 'function', symbol: 'f' } as const
  const options = { seconds: 1, spareSeconds: 1, signal: new AbortController().signal, progress: () => undefined }
  await likelihoods(loaded, 'where', [{ unit, text: 'x = 1\n' }], options)
  return asked.map((tokens) => String.fromCharCode(...tokens))
}

describe('a unit that is read again', () => {
  it('stands under its file and symbol, before the question', async () => {
    const [text = ''] = await prefixesWith(-1)
    assert.match(text, /^# File: a.py\n# f\nx = 1\n\n# In plain words: $/)
  })

  it('comes after the begin token of a model that has one', async () => {
    const [[without = ''], [withOne = '']] = [await prefixesWith(-1), await prefixesWith(7)]
    assert.equal(withOne, `\u0007${without}`)
  })

  it('waits for the first units only, and takes further ones while there is time to spare', async () => {
    for (const [spareSeconds, taken] of [
      [0, firstUnits],
      [60, 32],
    ] as const) {
      const times: number[] = []
      const done: number[] = []
      const model = {
        info: () => ({ beginToken: -1 }),
        tokenize: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
        likelihood: (
          prefixes: readonly Int32Array[],
          _: Int32Array,
          seconds: number,
          __: unknown,
          progress: (n: number) => void,
        ) => {
          times.push(seconds)
          progress(prefixes.length)
          return Promise.resolve(Float32Array.from(prefixes, (prefix) => -prefix.length))
        },
      }
      const loaded = { addon: { Cancel: AbortController }, model } as unknown as LoadedModel
      const candidates = Array.from({ length: 32 }, (_, i) => ({
        unit: { file: 'a.py', startLine: 1, endLine: 1, kind: 'function', symbol: '' } as const,
        text: 'x'.repeat(i),
      }))
      const signal = new AbortController().signal
      const found = await likelihoods(loaded, 'where', candidates, {
        ...{ seconds: 5, spareSeconds, signal },
        progress: (count) => done.push(count),
      })
      assert.equal(found.filter((value) => !Number.isNaN(value)).length, taken)
      // In the order of the candidates, each one longer than the one before.
      for (let i = 1; i < taken; i++) assert.equal(found[i], found[i - 1]! - 1)
      assert.equal(times[0], 5)
      assert.ok((times[1] ?? 0) <= spareSeconds)
      assert.equal(done.at(-1), taken)
    }
  })
})
