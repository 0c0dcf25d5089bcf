/**
 * The second real model of the catalogue. It is no part of the set-up: these tests run where `longread model pull gemma3-270m`
 * has brought it, and are skipped elsewhere.
 */
import assert from 'node:assert/strict'
import { OneLine } from '../../extension/answer/one-line'
import { buildPrompt } from '../../extension/answer/prompt'
import { cancellable, librariesFolder, loadAddon, type NativeModel } from '../../extension/engine/addon'
import { gemma3, resolveModel } from '../../extension/engine/catalogue'
import { best, largestDifference, run, sampleTokens, threads } from '../support/model'
import { loadOracle } from '../support/oracle'

describe(`${gemma3.name} (skipped where it has not been pulled)`, function () {
  this.timeout(300_000)
  let path: string
  let model: NativeModel

  const loaded: NativeModel[] = []

  const load = async (weights: 'fast' | 'file'): Promise<NativeModel> => {
    const addon = loadAddon()
    const options = { path, weights, threads, libraries: librariesFolder() }
    const model = await cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
    loaded.push(model)
    return model
  }

  /** The fixture repository after the begin token, without which this model makes no sense. */
  const sample = (count: number) => Int32Array.of(model.info().beginToken, ...sampleTokens(model, count - 1))

  before(async function () {
    const found = await resolveModel(gemma3.name).catch(() => undefined)
    if (!found) this.skip()
    path = found.path
    model = await load('file')
  })

  after(() => {
    for (const each of loaded) each.dispose()
  })

  it('has the logits of llama_decode, bit by bit, with the weights of the file', async () => {
    // Longer than a batch and than the 512 tokens that most of its layers see.
    const tokens = sample(600)
    const rows = Int32Array.of(0, 3, 300, 511, 512, 599)
    const ours = await run((cancel) => model.logits(tokens, rows, cancel))
    const { logits } = await loadOracle().decode({
      path,
      libraries: librariesFolder(),
      threads,
      context: 1024,
      batch: 512,
      tokens,
      rows,
      // Rearranged, its Q4_K and Q5_0 weights are multiplied in another order: logits of libllama itself then differ by 1.3.
      repack: false,
    })
    assert.equal(largestDifference(ours, logits), 0)
  })

  it('answers from the code it is given, in one line', async () => {
    const text =
      'def connect(host, timeout=30):\n    """Waits for `timeout` seconds."""\n    return Socket(host, timeout)\n'
    const place = { file: 'net/client.py', startLine: 1, endLine: 3, kind: 'function', symbol: 'connect' } as const
    const unit = { ...place, score: 1, signals: {}, foundBy: [] }
    const question = 'What is the default timeout of connect, in seconds?'
    const { tokens, oneLine } = buildPrompt(model, question, [{ unit, text, tokens: 0 }])
    assert.ok(oneLine, 'it is a base model')
    const line = new OneLine()
    let answer = ''
    const request = {
      tokens,
      temperature: 0,
      topP: 1,
      seed: 0,
      maxTokens: 12,
      watch: new Uint32Array(),
      watchHeads: [],
    }
    await run((cancel) =>
      model.generate(request, cancel, (_, token) => {
        if (token) answer += line.push(Buffer.from(token.piece).toString('utf8'))
      }),
    )
    assert.ok(line.over, answer)
    assert.match(answer, /\b30\b/)
  })

  it('prefers the same next token with fast weights at 90 of 100 places', async () => {
    const fast = await load('fast')
    const tokens = sample(300)
    const rows = Int32Array.from({ length: 100 }, (_, i) => i * 3)
    const [a, b] = [
      best(await run((cancel) => fast.logits(tokens, rows, cancel)), rows.length),
      best(await run((cancel) => model.logits(tokens, rows, cancel)), rows.length),
    ]
    const same = a.filter((token, i) => token === b[i]).length
    assert.ok(same >= 90, `only ${same} of 100 are the same`)
  })
})
