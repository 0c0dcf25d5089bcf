/** The panel's page: its state as messages come, its Markdown, which may hold anything, and the policy that it runs under. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { PlacedCitation, ToChat, Turn } from '../../extension/protocol/chat'
import { chatPage } from '../../extension/views/chat/html'
import { chatStrings } from '../../extension/views/chat/strings'
import { markdown, numbersOf } from '../../media/chat/markdown'
import { initial, reduce, typedMention } from '../../media/chat/state'

const labels = { copy: 'Copy', insert: 'Insert', apply: 'Apply', cite: (n: number) => `Source ${n}` }
const html = (text: string) => markdown(text, [], [], labels)
const turn = (id: string, change: Partial<Turn> = {}): Turn => ({
  id, question: id, mentions: [], state: 'running', answer: '', asked: 0, ...change,
}) // prettier-ignore
const after = (...messages: ToChat[]) => messages.reduce(reduce, initial)

describe("the panel's state", () => {
  it('grows an answer by its pieces and ends as the host says', () => {
    const state = after(
      { type: 'turn', turn: turn('1') },
      { type: 'doing', turn: '1', text: 'Searching…' },
      { type: 'text', turn: '1', text: 'It ' },
      { type: 'text', turn: '1', text: 'runs.' },
    )
    assert.equal(state.conversation.turns[0]?.answer, 'It runs.')
    assert.equal(state.doing, undefined, 'the first word ends what was done before it')
    const done = reduce(state, { type: 'turn', turn: turn('1', { state: 'done', answer: 'It runs!' }) })
    assert.deepEqual(
      done.conversation.turns.map(({ answer }) => answer),
      ['It runs!'],
    )
  })

  it('drops what followed a turn that is asked again', () => {
    const state = after(
      { type: 'turn', turn: turn('1') },
      { type: 'turn', turn: turn('2') },
      { type: 'turn', turn: turn('1', { answer: 'again' }) },
    )
    assert.deepEqual(
      state.conversation.turns.map(({ id }) => id),
      ['1'],
    )
  })

  it('is whole whatever order messages come in', () => {
    const message: fc.Arbitrary<ToChat> = fc.oneof(
      fc.constantFrom('1', '2', '3').map((id): ToChat => ({ type: 'turn', turn: turn(id) })),
      fc.record({ type: fc.constant('text' as const), turn: fc.constantFrom('1', '4'), text: fc.string() }),
      fc.record({ type: fc.constant('doing' as const), turn: fc.constantFrom('1', '4'), text: fc.string() }),
      fc.constant<ToChat>({ type: 'mentions', id: 1, items: [] }),
      fc.constant<ToChat>({ type: 'history', conversations: [] }),
    )
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const ids = after(...messages).conversation.turns.map(({ id }) => id)
        assert.equal(new Set(ids).size, ids.length)
      }),
    )
  })

  it('keeps the newest completions, whatever order they come in', () => {
    const item = { kind: 'file', file: 'a', label: 'a' } as const
    const state = after({ type: 'mentions', id: 2, items: [item] }, { type: 'mentions', id: 1, items: [] })
    assert.deepEqual(state.mentions, { id: 2, items: [item] })
  })

  it('knows the mention that is typed', () => {
    assert.deepEqual(typedMention('see @web/ro', 11), { from: 4, typed: 'web/ro' })
    assert.deepEqual(typedMention('@', 1), { from: 0, typed: '' })
    assert.equal(typedMention('mail a@b', 8), undefined)
    assert.equal(typedMention('see @web now', 12), undefined)
  })
})

describe('the Markdown of an answer', () => {
  it('is never HTML of its own, a link or a picture', () => {
    const text = [
      '<img src=x onerror=alert(1)> <script>alert(1)</script>',
      '[a](javascript:alert(1)) [b](https://example.org) <https://example.org/c> ![d](https://example.org/d.png)',
      '[e]: https://example.org',
      '[e]',
    ].join('\n\n')
    const rendered = html(text)
    assert.doesNotMatch(rendered, /<(?:img|script|a|iframe|link)\b/)
    assert.doesNotMatch(rendered, /(?:href|src)="/)
    assert.match(rendered, /<span class="link">b<\/span> <span class="address">\(https:\/\/example\.org\)/)
  })

  it('holds none but its own tags, whatever the text is', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.string(),
        fc.constantFrom('<b>', '"><x y="', '```', '`', '[', '](', ')', '\n', '\uE0000\uE001', '&lt;', '~~~<'),
      ),
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        const tags = [...html(parts.join('')).matchAll(/<\/?([a-z0-9]+)([^>]*)>/g)]
        for (const [, name = '', attributes = ''] of tags) {
          assert.match(
            name,
            /^(p|br|hr|em|strong|s|code|pre|blockquote|ul|ol|li|h[1-6]|table|thead|tbody|tr|th|td|span|div|button)$/,
          )
          assert.doesNotMatch(attributes, /\son\w+=|href|src=/)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('has a button for each citation, numbered by place', () => {
    const cite = (at: number, file: string): PlacedCitation => ({ at, file, startLine: 1, endLine: 2, symbol: '' })
    const citations = [cite(4, 'a'), cite(4, 'b'), cite(9, 'a')]
    const numbers = numbersOf(citations)
    assert.deepEqual(numbers, [1, 2, 1])
    const rendered = markdown('One. Two.', citations, numbers, labels)
    assert.deepEqual([...rendered.matchAll(/data-cite="(\d)" aria-label="(Source \d)">(\d)</g)].map((m) => m.slice(1)), [
      ['0', 'Source 1', '1'], ['1', 'Source 2', '2'], ['2', 'Source 1', '1'],
    ]) // prettier-ignore
  })

  it('cites nothing because the text holds the mark of a citation', () => {
    assert.doesNotMatch(html('\uE0000\uE001'), /data-cite/)
  })

  it('colours code of a known language and escapes that of any', () => {
    assert.match(html('```python\ndef f(): pass\n```'), /hljs-keyword">def</)
    assert.match(html('```nonsense\n<b>\n```'), /&lt;b&gt;/)
  })
})

describe("the panel's page", () => {
  const strings = chatStrings((message) => `${message} "<>&`)
  const page = () =>
    chatPage({
      cspSource: 'https://own',
      script: 'https://own/m.js',
      style: 'https://own/m.css',
      strings,
      language: 'en',
      where: 'view',
    })

  it('runs one script by a nonce that changes, and fetches nothing', () => {
    const [first, second] = [page(), page()]
    const nonce = (text: string) => /script-src 'nonce-([\w-]{20,})'/.exec(text)?.[1]
    assert.ok(nonce(first))
    assert.notEqual(nonce(first), nonce(second))
    assert.match(first, /default-src 'none'/)
    assert.doesNotMatch(first, /unsafe|connect-src|img-src|frame-src/)
    assert.equal(first.match(/<script/g)?.length, 1)
  })

  it('hands its texts over whatever they hold', () => {
    const [, data = ''] = /data-strings="([^"]*)"/.exec(page()) ?? []
    const unescaped = data
      .replaceAll('&quot;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
    assert.deepEqual(JSON.parse(unescaped), strings)
  })
})
