/** A few rounds of what `longread bench memory` does by the thousand. */
import assert from 'node:assert/strict'
import { randomDamage } from '../bench/memory/damage'
import { day } from '../bench/memory/day'
import { randomEdits } from '../bench/memory/edits'
import { randomKills } from '../bench/memory/kills'

describe('the memory on disk', () => {
  it('loses no acknowledged segment and holds no wrong unit when processes are killed at random moments', async function () {
    const { kills, acknowledged, required, lost, damaged, units, wrong } = await randomKills(12)
    assert.deepEqual({ kills, lost, damaged, wrong }, { kills: 12, lost: 0, damaged: 0, wrong: 0 })
    assert.ok(acknowledged > 12 && required > 0 && units > 0)
  })

  it('serves nothing that is damaged, whatever the damage, and says what it found', async () => {
    const { segments, manifests, detected, served } = await randomDamage(80)
    assert.deepEqual({ all: segments + manifests, detected, served }, { all: 80, detected: 80, served: 0 })
  })

  it('is what a clean read gives after a day of edits, and leaves no file, handle or process behind', async function () {
    this.timeout(300_000)
    const { questions, filesBefore, filesAfter, handlesBefore, handlesAfter, handlesLeft, processesLeft, wrong } =
      await day(20)
    assert.ok(questions > 0)
    assert.deepEqual({ handlesLeft, processesLeft, wrong }, { handlesLeft: 0, processesLeft: 0, wrong: 0 })
    // In so short a day some are opened for the first time late; one for each edit or question would be 20 and more.
    assert.ok(filesAfter <= filesBefore + 8, `${filesAfter} files, before ${filesBefore}`)
    assert.ok(handlesAfter <= handlesBefore + 8, `${handlesAfter} handles, before ${handlesBefore}`)
  })

  it('is what a clean read gives after any edits, unit by unit and byte by byte', async () => {
    const { edits, compared, units } = await randomEdits(5, 20)
    assert.ok(edits === 100 && compared >= 10 && units > 0)
  })
})
