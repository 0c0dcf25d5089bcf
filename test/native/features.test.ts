/** What a calibration takes for the score of a head is what recall gives it: with the bank asked afterwards, and in steps. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAddon } from '../../extension/engine/addon'
import { attentionScores, standardise } from '../../extension/recall/attention'
import { Asker, bytesPerToken, HeardQuestions, wideProfile } from '../../extension/recall/calibration/features'
import { scoreUnits } from '../../extension/recall/calibration/fit'
import { goldUnits } from '../../extension/recall/calibration/questions'
import type { LoadedModel } from '../../extension/recall/loaded'
import { Memory } from '../../extension/recall/memory'
import { defaultProfile, type Profile } from '../../extension/recall/profile'
import { hear, tokenWeights } from '../../extension/recall/question'
import { largestDifference, repositoryFixture, run, testHeads, testModel, threads } from '../support/model'

const files = ['jobs/backoff.py', 'jobs/store.py', 'web/session.ts']
const options = { signal: new AbortController().signal, log: () => assert.fail() }

describe('features of a calibration', () => {
  it('are the scores of recall', async () => {
    const weighted = testHeads.map((head, i) => ({ ...head, weight: [0.5, 0.3, 0.2][i]! }))
    const profile: Profile = { ...defaultProfile, heads: weighted, bank: defaultProfile.bank.slice(0, 5) }
    const loaded: LoadedModel = { addon: loadAddon(), model: await testModel(), profile, threads, fingerprint: 'x' }
    const open = async (of: Profile) => {
      const memory = new Memory(repositoryFixture, { ...loaded, profile: of })
      for (const file of files)
        await memory.bring({ file, text: readFileSync(join(repositoryFixture, file), 'utf8') }, options)
      return memory
    }
    const memory = await open(profile)
    const units = memory.units()
    const at = { file: 'web/session.ts', symbol: 'verifySession', startLine: 9, endLine: 12 }
    const question = { ...at, question: 'How is the signature of the session cookie verified?' }
    const heard = await hear(loaded, question.question)
    const scores = await run((cancel) => memory.store.score(memory.files(), heard.queries, heard.tokens, 1, cancel))
    const weights = tokenWeights(heard, memory.lexical, profile.rarityPower)
    const recalled = attentionScores(profile, scores, weights, units.length)

    const blank = { ...profile, bank: [] }
    const asker = new Asker(
      await open(blank),
      { ...loaded, profile: blank },
      (work) => work(options.signal),
      new HeardQuestions(),
    )
    let asked = 0
    // In two parts: the second bank holds the first.
    const banks = await asker.banks([profile.bank.slice(0, 2), profile.bank.slice(2)], () => asked++)
    assert.equal(asked, profile.bank.length)
    const found = await asker.example(question, banks)
    const [part, whole] = found!.byBank
    assert.deepEqual(whole!.gold, goldUnits(question, units))
    const fitted = (example: typeof whole) =>
      standardise(
        Float32Array.from(
          scoreUnits(
            example!,
            Float64Array.from(weighted, ({ weight }) => weight),
          ),
        ),
      )
    assert.ok(largestDifference(fitted(whole), recalled) < 0.1, `${largestDifference(fitted(whole), recalled)}`)
    assert.ok(largestDifference(fitted(part), recalled) > 0.1, 'two reference questions are another bank')
    assert.equal(await asker.example({ ...question, file: 'gone.ts' }, banks), undefined)
  })

  it('cost the bytes of the key heads that their heads share', async () => {
    const info = (await testModel()).info()
    // 20 heads that have 17 key heads between them, of 64 bytes and a scale.
    assert.equal(bytesPerToken(info, defaultProfile), 17 * 68)
    assert.equal(bytesPerToken(info, { ...defaultProfile, keyFormat: 'f16' }), 17 * 128)
  })

  it('are of every head up to a layer, and questions open as the model is spoken to', async () => {
    const model = await testModel()
    const { heads, bank, prompt } = wideProfile(model, defaultProfile, 0)
    assert.equal(heads.length, 19 * 9)
    assert.deepEqual(heads.at(-1), { layer: 18, head: 8, weight: 1 })
    assert.deepEqual(bank, [])
    assert.deepEqual(prompt, defaultProfile.prompt)
    assert.equal(wideProfile(model, defaultProfile, 2).heads.length, 18)
    assert.equal(wideProfile(model, defaultProfile, 99).heads.length, 270)
  })
})
