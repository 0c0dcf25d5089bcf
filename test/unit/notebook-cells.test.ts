/** Which cells of a notebook the lines of its file belong to. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../extension/engine/addon'
import { cellsAt, cutNotebook } from '../../extension/workspace/notebook'
import { Lines } from '../../extension/workspace/lines'

describe('lines of a notebook', () => {
  const text = readFileSync(join(packageRoot(), 'test/fixtures/units/inventory.ipynb'), 'utf8')

  it('lead to the cells that are cited', () => {
    const units = cutNotebook(new Lines(text))?.filter(({ kind }) => kind === 'cell') ?? []
    assert.equal(units.length, 2)
    assert.deepEqual(
      units.map(({ startLine, endLine }) => cellsAt(text, startLine, endLine)),
      [
        { first: 0, end: 1 },
        { first: 1, end: 2 },
      ],
    )
  })

  it('may span cells, or lie behind them', () => {
    assert.deepEqual(cellsAt(text, 1, 39), { first: 0, end: 2 })
    assert.equal(cellsAt(text, 45, 46), undefined)
    assert.equal(cellsAt('{}', 1, 1), undefined)
  })
})
