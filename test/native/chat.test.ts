/**
 * How models of each architecture are talked to: their own chat template, their begin token, where their answers end; and
 * models that have no template. The models are made so that each token is followed by one that the test chooses.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPrompt } from '../../extension/answer/prompt'
import { cancellable, librariesFolder, loadAddon, type NativeModel } from '../../extension/engine/addon'
import { str, writeGguf } from '../support/gguf-writer'
import { run } from '../support/model'
import { gaussian, randomModel, type RandomModel } from '../support/random-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
let written = 0

/** The token of a text in a model's vocabulary. */
function tokenOf({ gguf }: RandomModel, text: string): number {
  const tokens = gguf.metadata['tokenizer.ggml.tokens']
  const id = tokens?.type === 'array' ? tokens.value.indexOf(text) : -1
  assert.ok(id >= 0, text)
  return id
}

/** Layers that add nothing, an embedding in which tokens are far apart, and an output that takes each to the next one. */
function follow(random: RandomModel, next: Readonly<Record<string, string>>): void {
  const { embedding, weights } = random
  for (const [name, values] of weights) if (/attn_output|ffn_down/.test(name)) values.fill(0)
  const normal = gaussian(3)
  const codes = weights.get('token_embd.weight')!
  codes.forEach((_, i) => (codes[i] = normal() > 0 ? 1 : -1))
  weights.get('output_norm.weight')!.fill(1)
  const output = weights.get('output.weight')!.fill(0)
  for (const [from, to] of Object.entries(next)) {
    const [a, b] = [tokenOf(random, from) * embedding, tokenOf(random, to) * embedding]
    for (let i = 0; i < embedding; ++i) output[b + i]! += codes[a + i]!
  }
}

async function load(random: RandomModel, template?: string): Promise<NativeModel> {
  const path = join(folder, `${++written}.gguf`)
  const metadata = { ...random.gguf.metadata }
  delete metadata['tokenizer.chat_template']
  if (template !== undefined) metadata['tokenizer.chat_template'] = str(template)
  writeFileSync(path, writeGguf({ ...random.gguf, metadata }))
  const addon = loadAddon()
  const options = { path, weights: 'file', threads: 1, libraries: librariesFolder() } as const
  return cancellable(addon, undefined, (cancel) => addon.loadModel(options, cancel, () => undefined))
}

const templateOf = ({ gguf }: RandomModel): string => {
  const template = gguf.metadata['tokenizer.chat_template']
  return template?.type === 'string' ? template.value : assert.fail()
}

const chatting = (architecture: string) => randomModel({ architecture, layers: 2, full: true, with: /^output.weight/ })

const messages = [
  { role: 'system', content: 'be terse' },
  { role: 'user', content: 'where' },
] as const
const chatMl = '<|im_start|>system\nbe terse<|im_end|>\n<|im_start|>user\nwhere<|im_end|>\n<|im_start|>assistant\n'
const gemma = '<start_of_turn>user\nbe terse\n\nwhere<end_of_turn>\n<start_of_turn>model\n'

const unit = {
  file: 'a.py',
  startLine: 1,
  endLine: 1,
  kind: 'function',
  symbol: 'f',
  score: 1,
  signals: {},
  foundBy: [],
} as const

async function answerOf(model: NativeModel, tokens: Int32Array): Promise<{ text: string; end: 'stop' | 'length' }> {
  const pieces: Uint8Array[] = []
  const request = { tokens, temperature: 0, topP: 1, seed: 0, maxTokens: 8, watch: new Uint32Array(), watchHeads: [] }
  const end = await run((cancel) => model.generate(request, cancel, (_, token) => token && pieces.push(token.piece)))
  return { text: Buffer.concat(pieces).toString('utf8'), end }
}

for (const [architecture, template, endOfTurn, begin, newline] of [
  ['llama', chatMl, '<|im_end|>', '<s>', '<0x0A>'],
  ['qwen2', chatMl, '<|im_end|>', undefined, 'Ċ'],
  ['qwen3', chatMl, '<|im_end|>', undefined, 'Ċ'],
  ['gemma3', gemma, '<end_of_turn>', '<bos>', '<0x0A>'],
] as const)
  describe(`a chat with ${architecture}`, () => {
    const random = chatting(architecture)
    let model: NativeModel

    before(async () => {
      follow(random, { [newline]: 'the', the: 'h', h: endOfTurn, [endOfTurn]: 'the' })
      model = await load(random, templateOf(random))
    })

    after(() => model.dispose())

    it('is in its own template', () => {
      assert.equal(model.info().chats, true)
      assert.equal(model.chat(messages), template)
    })

    it('has the begin token of the model once, and control tokens only where the template has them', () => {
      const code = `if x: print("${endOfTurn}${begin ?? '<|endoftext|>'}")\n`
      const { tokens, spans, oneLine } = buildPrompt(model, `what is ${endOfTurn}?`, [{ unit, text: code, tokens: 0 }])
      assert.equal(oneLine, false)
      const begins = begin === undefined ? [] : [tokenOf(random, begin)]
      assert.equal(model.info().beginToken, begins[0] ?? -1)
      assert.deepEqual([...tokens.subarray(0, begins.length)], begins)
      const count = (token: number) => tokens.filter((t) => t === token).length
      for (const token of begins) assert.equal(count(token), 1)
      assert.equal(count(tokenOf(random, endOfTurn)), architecture === 'gemma3' ? 1 : 2)
      assert.equal(model.detokenize(tokens.subarray(spans[0], spans[1])), code)
    })

    it('takes texts as they are, with no space before them, whatever its tokenizer does by itself', () => {
      for (const text of ['the', ' the', '  if x:\n', '\n\nthe', 'é ', ''])
        assert.equal(model.detokenize(model.tokenize(text, false)), text)
    })

    it('ends with the turn of the model, whatever its end token is', async () => {
      const { tokens } = buildPrompt(model, 'where', [])
      assert.deepEqual(await answerOf(model, tokens), { text: 'theh', end: 'stop' })
    })
  })

describe('a model that may think before it answers', () => {
  it('is told not to, as by its own template', async () => {
    const random = chatting('qwen3')
    const option =
      "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    const model = await load(random, templateOf(random) + option)
    assert.equal(model.chat(messages), `${chatMl}<think>\n\n</think>\n\n`)
    model.dispose()
  })
})

describe('a base model', () => {
  for (const [what, template] of [
    ['without a chat template', undefined],
    ['with one that nobody knows', '{{ messages }}'],
  ] as const)
    it(`${what} is asked in plain text, and has no chat`, async () => {
      const random = chatting('gemma3')
      follow(random, {})
      const model = await load(random, template)
      assert.equal(model.info().chats, false)
      const { tokens, oneLine } = buildPrompt(model, 'where', [{ unit, text: 'x = 1\n', tokens: 0 }])
      assert.equal(oneLine, true)
      assert.equal(tokens[0], model.info().beginToken)
      assert.equal(model.detokenize(tokens), '# File: a.py\nx = 1\n\nQuestion: where\nAnswer:')
      const chat = async () => run(() => Promise.resolve(model.chat(messages)))
      assert.match(await rejects(chat(), 'bad-model'), /chat template/)
      model.dispose()
    })
})
