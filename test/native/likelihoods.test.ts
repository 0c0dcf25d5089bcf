/** How likely a text is after others: what the logits say, whether the others are read now or were read before another text. */
import assert from 'node:assert/strict'
import { run, sampleTokens, testModel } from '../support/model'
import type { NativeModel } from '../support/model'

/** Nats a token of the target after the prefix, from whole logits. */
async function fromLogits(model: NativeModel, prefix: Int32Array, target: Int32Array): Promise<number> {
  const tokens = Int32Array.from([...prefix, ...target])
  const rows = Int32Array.from(target, (_, i) => prefix.length - 1 + i)
  const logits = await run((cancel) => model.logits(tokens, rows, cancel))
  const { vocabulary } = model.info()
  let sum = 0
  for (const [i, token] of target.entries()) {
    const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary)
    let total = 0
    for (const logit of row) total += Math.exp(logit)
    sum += row[token]! - Math.log(total)
  }
  return sum / target.length
}

/** After code that was kept, a question is a smaller batch, whose products are rounded otherwise; questions differ by far more. */
const near = 0.2

describe('the likelihood of a question after code', () => {
  let model: NativeModel
  let prefixes: Int32Array[]
  let questions: Int32Array[]
  const likelihood = (of: readonly Int32Array[], target: Int32Array, seconds = 60) =>
    run((cancel) => model.likelihood(of, target, seconds, cancel, () => undefined))

  before(async () => {
    model = await testModel()
    const tokens = sampleTokens(model, 900)
    prefixes = [tokens.slice(0, 90), tokens.slice(100, 101), tokens.slice(150, 190)]
    questions = ['How long does a worker wait?', 'Who signs the cookie?', 'Yes'].map((text) =>
      model.tokenize(text, false),
    )
  })

  it('is what the logits of the whole text give', async () => {
    model.keepPrefixes(0)
    // Longer than a batch.
    const long = sampleTokens(model, 530)
    for (const [i, question] of questions.entries()) {
      const texts = i === 0 ? [...prefixes, long] : prefixes
      const found = await likelihood(texts, question)
      for (const [i, prefix] of texts.entries()) {
        const expected = await fromLogits(model, prefix, question)
        assert.ok(Math.abs(found[i]! - expected) < 1e-3, `${found[i]} is not ${expected}`)
      }
    }
  })

  it('is the same when code was read before, for this question or for others', async () => {
    model.keepPrefixes(1 << 27)
    const first = await likelihood(prefixes, questions[0]!)
    const other = await likelihood(prefixes, questions[1]!)
    assert.ok(other.every((value, i) => Math.abs(value - first[i]!) > near))
    assert.deepEqual(await likelihood(prefixes, questions[1]!), other)
    const again = await likelihood(prefixes.toReversed(), questions[0]!)
    again.reverse().forEach((value, i) => assert.ok(Math.abs(value - first[i]!) < near, `${value} is not ${first[i]}`))
  })

  it('forgets code that was read longest ago, and reads it anew', async () => {
    const [question = new Int32Array(), other = new Int32Array()] = questions
    const fresh = await likelihood(prefixes, question)
    // 23 KB a token: room for one of the longer two, for none of them, for nothing.
    for (const bytes of [2.2e6, 5e5, 0]) {
      model.keepPrefixes(bytes)
      await likelihood(prefixes, other)
      const again = await likelihood(prefixes, question)
      again.forEach((value, i) => assert.ok(Math.abs(value - fresh[i]!) < near, `${value} is not ${fresh[i]}`))
    }
    assert.throws(() => model.keepPrefixes(-1), { code: 'usage' })
  })

  it('forgets code when two questions have read other code since, however little memory that takes', async function () {
    const [first = new Int32Array(), second = new Int32Array()] = questions
    const code = prefixes.slice(0, 1)
    const others = Array.from({ length: 64 }, (_, i) => Int32Array.of(300 + i, 1000))
    const after = async (...before: (readonly Int32Array[])[]): Promise<number> => {
      model.keepPrefixes(0)
      model.keepPrefixes(1 << 27)
      for (const texts of before) await likelihood(texts, first)
      return (await likelihood(code, second))[0]!
    }
    const fresh = await after()
    // Products of what is kept are rounded otherwise, which tells that it is; where they were not, nothing would.
    if ((await after(code)) === fresh) this.skip()
    assert.notEqual(await after(code, others.slice(1)), fresh)
    assert.equal(await after(code, others), fresh)
  })

  it('is unknown for code that the time does not reach, but for the first', async () => {
    const found = await likelihood(prefixes, questions[2]!, 0)
    assert.deepEqual(
      Array.from(found, (value) => Number.isNaN(value)),
      [false, true, true],
    )
  })
})
