/** Many files in one call of the model: the same bytes as one after the other, and nothing lost of what is interrupted. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { loadAddon, type EpisodeTokens, type NativeEpisode } from '../../extension/engine/addon'
import { bankOf } from '../../extension/recall/bank'
import { fileHeader, layOut, unitTexts } from '../../extension/recall/episode'
import { headsOf } from '../../extension/recall/profile'
import { breadcrumb, cutUnits } from '../../extension/workspace/units'
import { cleanRead, contents, differences, randomModel, TestMemory } from '../support/memory'
import { run, spansOf } from '../support/model'
import { random } from '../support/random'
import { modelReadingTogether } from '../support/together'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}.py`, python(`function_${i}`, 10 + 7 * i)]))

async function bytesOf(episode: NativeEpisode): Promise<Buffer> {
  const file = join(temporaryFolder(), 'segment')
  await episode.save(file, `${file}.aside`, '')
  const bytes = readFileSync(file)
  rmSync(file)
  return bytes
}

describe('episodes read in one call', () => {
  it('have the bytes of episodes read one by one, statistics of the bank among them', async () => {
    const loaded = await randomModel()
    const { model, profile } = loaded
    const bank = await bankOf(loaded, { folder: null, signal: new AbortController().signal, progress: () => undefined })
    const below = random(5)
    const { vocabulary } = model.info()
    // Without units, without tokens, shorter than a batch, longer than the window and a batch.
    const episodes: EpisodeTokens[] = [3, 0, 100, 1500, 17].map((length, i) => ({
      tokens: Int32Array.from({ length }, () => below(vocabulary)),
      units: length < 10 ? new Uint32Array() : spansOf([2, 9, 9, length - i]),
    }))
    const { window, sinks } = profile
    for (const keyFormat of ['q8', 'f16'] as const) {
      const options = { heads: headsOf(profile), window, sinks, keyFormat, bank }
      const told: number[] = []
      const together = await run((c) => model.readMany(episodes, options, c, (tokens) => void told.push(tokens)))
      for (const [i, episode] of episodes.entries()) {
        const alone = await run((c) => model.read({ ...episode, ...options }, c, () => undefined))
        assert.ok((await bytesOf(together[i]!)).equals(await bytesOf(alone)), `episode ${i} as ${keyFormat}`)
      }
      assert.deepEqual(
        told,
        told.toSorted((a, b) => a - b),
      )
      assert.equal(told.at(-1), 1620)
    }
  })

  it('are all or none: cancelled, or when one of them makes no sense', async () => {
    const { model, profile, addon } = await randomModel()
    const { window, sinks, keyFormat } = profile
    const options = { heads: headsOf(profile), window, sinks, keyFormat }
    const good = { tokens: new Int32Array(600), units: Uint32Array.of(0, 600) }
    const cancel = new addon.Cancel()
    const call = model.readMany(Array.from({ length: 100 }, () => good), options, cancel, () => undefined) // prettier-ignore
    cancel.cancel()
    await assert.rejects(call, { code: 'cancelled' })
    const bad = { tokens: new Int32Array(5), units: Uint32Array.of(3, 9) }
    await assert.rejects(
      run((c) => model.readMany([good, bad], options, c, () => undefined)),
      { code: 'usage' },
    )
    assert.throws(() => model.readMany('x' as never, options, new (loadAddon().Cancel)(), () => undefined), {
      code: 'usage',
    })
    assert.deepEqual(await run((c) => model.readMany([], options, c, () => undefined)), [])
  })

  it('are laid out from tokens that other threads made, header and breadcrumbs before their units', async () => {
    const { model } = await randomModel()
    const text = `${python('alpha')}\n\n${python('beta')}`
    const units = await cutUnits('a.py', text)
    const texts = unitTexts(text, units)
    const { tokens, spans } = await layOut(model, 'a.py', units, texts, true)
    const { beginToken } = model.info()
    const expected = beginToken >= 0 ? [beginToken] : []
    expected.push(...model.tokenize(fileHeader('a.py'), false))
    units.forEach((unit, i) => {
      expected.push(...model.tokenize(`${breadcrumb('a.py', unit)}\n`, false))
      const own = model.tokenize(texts[i]!, false)
      assert.deepEqual([...spans.subarray(2 * i, 2 * i + 2)], [expected.length, expected.length + own.length])
      expected.push(...own)
    })
    assert.ok(units.length >= 2)
    assert.deepEqual([...tokens], expected)
  })
})

describe('a memory of a model that reads files together', () => {
  const files = 12

  it('holds what one of a model that reads them one by one holds', async () => {
    const root = workspace({ ...many(files), 'empty.md': '', 'secret.txt': `token = "ghp_${'Zq9'.repeat(12)}"` })
    const { loaded, calls } = await modelReadingTogether(700)
    const folder = join(temporaryFolder(), 'memory')
    const opened = await TestMemory.open(root, folder, undefined, loaded)
    const heard: string[] = []
    const progress: number[] = []
    const result = await opened.read({
      onHeld: (file, how, kept) => void heard.push(`${file} ${how} ${kept}`),
      progress: ({ phase, done }) => void (phase === 'read' && progress.push(done)),
    })
    assert.ok(calls.length > 1 && calls.length < files / 2, `calls of ${calls.join(', ')} files`)
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
    assert.deepEqual(heard.filter((line) => line.startsWith('f')).length, files)
    assert.ok(heard.every((line) => line.endsWith('read true')))
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    )
    assert.equal(progress.at(-1), result.tokensRead)
    await opened.close()
    // Kept: nothing is read again.
    const before = calls.length
    const again = await TestMemory.open(root, folder, undefined, loaded)
    assert.equal((await again.read()).tokensRead, 0)
    assert.equal(calls.length, before)
    await again.close()
  })

  it('puts back what it was interrupted in, and lets what was saved meanwhile be read as it is now', async () => {
    const root = workspace(many(files))
    const together = await modelReadingTogether(400)
    const { calls } = together
    const opened = await TestMemory.open(root, null, undefined, together.loaded)
    let interrupt = new AbortController()
    let interruptions = 0
    const waiting: number[] = []
    const turn = {
      get interrupted() {
        return interrupt.signal
      },
      giveWay: async () => {
        if (!interrupt.signal.aborted) return
        waiting.push(opened.memory.missing().files + opened.memory.files().length)
        interrupt = new AbortController()
        const changed = `f${interruptions++}.py`
        put(root, { [changed]: python(`saved_${changed.slice(0, 2)}`) })
        assert.equal((await opened.update({ file: changed })).files, 1)
      },
    }
    together.onCall = () => {
      // In the first group, and later while others are being prepared.
      if (calls.length % 3 === 1 && interruptions < 3) interrupt.abort()
    }
    await opened.read({ turn })
    assert.equal(interruptions, 3)
    // Nothing was out of sight while another had its turn.
    assert.deepEqual(waiting, [files, files, files])
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
  })

  it('keeps what was read when it is cancelled, and the rest waits', async () => {
    const root = workspace(many(files))
    const together = await modelReadingTogether(400)
    const { calls } = together
    const opened = await TestMemory.open(root, null, undefined, together.loaded)
    const abort = new AbortController()
    together.onCall = () => {
      if (calls.length > 1) abort.abort()
    }
    await assert.rejects(opened.read({ signal: abort.signal }), { code: 'cancelled' })
    assert.equal(opened.memory.files().length, calls[0])
    assert.equal(opened.memory.missing().files, files - calls[0]!)
    await opened.read()
    assert.deepEqual(differences(await contents(opened.memory), await cleanRead(root)), [])
  })
})
