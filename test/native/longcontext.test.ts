/** Ways of reading of the bench of long texts, with a tiny model: what recall finds in the text's files is what all layers use. */
import assert from 'node:assert/strict'
import type { LoadedModel } from '../../extension/recall/loaded'
import { recalled } from '../bench/longcontext/recalled'
import { makeCase, type Case } from '../bench/longcontext/tasks'
import { LastRead, say, ways, type Reading, type Said } from '../bench/longcontext/ways'
import { loadRandomModel } from '../support/tiny-model'

const parameters = { nInit: 8, nLocal: 64, blockSize: 32, topk: 34, reprTopk: 2, maxCachedBlock: 34, excBlockSize: 32 }

describe('ways of reading a long text', function () {
  this.timeout(60_000)
  let loaded: LoadedModel
  let reading: Reading
  let asked: Case
  before(async () => {
    loaded = await loadRandomModel()
    const { addon, model, profile } = loaded
    // Words alone: the heads of this model are random.
    reading = { addon, model, parameters, profile: { ...profile, lexicalWeight: 50 }, progress: () => undefined }
    asked = makeCase(model, { task: 'passkey', length: 6000, depth: 0.4, seed: 2, chat: false })
  })
  const last = new LastRead()
  after(() => {
    last.close()
    loaded.model.dispose()
  })

  const by = async (name: string): Promise<Said> => {
    const way = ways.find((one) => one.name === name)
    assert.ok(way)
    const said = await say(way, asked, reading, last)
    assert.ok(said)
    return said
  }

  it('recalls where in the stream the words of the question stand', async () => {
    const spans = await recalled(asked, reading)
    const [best] = spans
    assert.ok(spans.length >= 5 && new Set(spans.map(({ from }) => from)).size === spans.length)
    assert.ok(best && best.from <= asked.from && best.to >= asked.to)
    const { profile } = reading
    const heads = profile!.heads.map((head) => ({ ...head, weight: -head.weight }))
    const against = { ...reading, profile: { ...profile!, heads } }
    assert.deepEqual((await recalled(asked, against))[0], best)
    assert.notDeepEqual((await recalled(asked, against, 'attention'))[0], best)
  })

  it('gives all layers the units that recall found, and tells the time it took', async () => {
    const said = await by('recall')
    assert.equal(said.layers, 2)
    assert.equal(said.layersThatFound, 2)
    assert.ok(said.recallSeconds! > 0)
  })

  it('finds nothing by a window alone, and reads what recall is not asked about without it', async () => {
    assert.equal((await by('streaming')).layersThatFound, 0)
    assert.equal((await by('paper')).recallSeconds, undefined)
  })
})
