import assert from 'node:assert/strict'
import type { Progress } from '../../extension/protocol/types'
import { ReadingProgress } from '../../extension/recall/reading-progress'

describe('The progress of a reading', () => {
  it('never goes back, whether files are read one by one or together, and says what is left by their bytes', async () => {
    const told: Progress[] = []
    const progress = new ReadingProgress(400, (one) => void told.push(one))
    // A report at a time: there are ten a second at most.
    const soon = () => new Promise((resolve) => setTimeout(resolve, 110))
    const [a, b, c] = ['a', 'b', 'c'].map((file) => ({ file, size: 100 })) as [Sized, Sized, Sized]
    progress.of([a]).onTokens(10, 20)
    await soon()
    progress.done([{ ...a, tokens: 20 }])
    await soon()
    progress.of([b, c]).onTokens(50, 50)
    await soon()
    progress.done([
      { ...b, tokens: 50 },
      { ...c, tokens: undefined },
    ])
    progress.finish()
    assert.deepEqual(
      told.map(({ done, total, detail }) => [done, total, detail]),
      [
        [10, 80, 'a'],
        [20, 80, 'a'],
        [70, 93, 'b'],
        [70, 93, 'b'],
        [70, 70, undefined],
      ],
    )
    assert.deepEqual([progress.files, progress.tokens], [2, 70])
  })
})

interface Sized {
  readonly file: string
  readonly size: number
}
