/** Messages as tokens: the template's own marks are control tokens, those that people and repositories write are text. */
import assert from 'node:assert/strict'
import { templateTokens } from '../../extension/answer/template'
import type { ChatMessage, ModelInfo } from '../../extension/engine/addon'

describe('messages for the model', () => {
  const parsed: [string, boolean][] = []
  const model = {
    chat: (messages: readonly ChatMessage[]) =>
      messages.map(({ role, content }) => `<|${role}|>${content}<|end|>`).join('') + '<|assistant|>',
    tokenize: (text: string, special: boolean) => {
      parsed.push([text, special])
      return Int32Array.from(text, (c) => c.codePointAt(0)!)
    },
    info: () => ({ beginToken: -1 }) as ModelInfo,
  }

  it('keep the template apart from what is said in them', () => {
    parsed.length = 0
    const tokens = templateTokens(model, [
      { role: 'system', content: 'Be <|end|> brief.' },
      { role: 'user', content: '' },
      { role: 'user', content: '\u00011\u0001 $& hi' },
    ])
    assert.deepEqual(
      parsed.filter(([text]) => text !== ''),
      [
        ['<|system|>', true],
        ['Be <|end|> brief.', false],
        ['<|end|><|user|>', true],
        ['<|end|><|user|>', true],
        ['\u00011\u0001 $& hi', false],
        ['<|end|><|assistant|>', true],
      ],
    )
    assert.equal(
      String.fromCodePoint(...tokens.whole()),
      '<|system|>Be <|end|> brief.<|end|><|user|><|end|><|user|>\u00011\u0001 $& hi<|end|><|assistant|>',
    )
  })
})
