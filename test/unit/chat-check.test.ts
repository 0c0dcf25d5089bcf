/** The webview's messages are believed nothing: whatever comes, only well-formed messages pass, and only their own fields. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { FromChat } from '../../extension/protocol/chat'
import { fromChat } from '../../extension/protocol/chat-check'

const id = fc.stringMatching(/^[\w-]{1,64}$/)
const text = fc.string({ minLength: 1 }).filter((t) => t.trim() !== '')
const file = fc
  .array(
    fc.stringMatching(/^[\w .-]{1,12}$/).filter((part) => part !== '..'),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join('/'))
const place = fc.oneof(
  fc.record({ file }),
  fc.record({ file, startLine: fc.integer({ min: 1, max: 9999 }) }),
  fc.tuple(file, fc.integer({ min: 1, max: 999 }), fc.nat(99)).map(([f, startLine, more]) => ({
    file: f,
    startLine,
    endLine: startLine + more,
  })),
)
const mention = fc
  .tuple(place, fc.constantFrom('file', 'folder', 'symbol', 'selection'), fc.stringMatching(/^[\w./-]{1,20}$/))
  .map(([p, kind, label]) => ({ ...p, kind, label }))
const mentions = fc.array(mention, { maxLength: 5 })
const valid = fc
  .oneof(
    fc.record({ type: fc.constantFrom('ready', 'stop', 'new') }),
    fc.record({ type: fc.constant('ask'), text, mentions }),
    fc.record({ type: fc.constant('edit'), turn: id, text, mentions }),
    fc.record({ type: fc.constantFrom('regenerate', 'highlight', 'copyAnswer'), turn: id }),
    fc.record({ type: fc.constant('open'), place, beside: fc.boolean() }),
    fc.record({ type: fc.constant('code'), action: fc.constantFrom('copy', 'insert', 'apply'), text: fc.string() }),
    fc.record({ type: fc.constant('complete'), id: fc.nat(), text: fc.string() }),
    fc.record({ type: fc.constant('searchHistory'), text: fc.string() }),
    fc.record({ type: fc.constantFrom('load', 'forget'), conversation: id }),
    fc.record({ type: fc.constant('run'), command: fc.constantFrom('read', 'pause', 'export', 'showLog') }),
  )
  // As they come: fast-check's own objects have no prototype.
  .map((message) => structuredClone(message) as FromChat)

describe("the chat panel's messages", () => {
  it('pass when they are well formed, as they are', () => {
    fc.assert(fc.property(valid, (message) => assert.deepEqual(fromChat(message), { ...message })))
  })

  it('pass without fields that are not theirs', () => {
    fc.assert(
      fc.property(valid, fc.string(), fc.anything(), (message, name, value) => {
        fc.pre(!(name in message) && name !== '__proto__' && name !== 'mentions' && name !== 'beside')
        assert.deepEqual(fromChat({ ...message, [name]: value }), { ...message })
      }),
    )
  })

  it('are dropped or made well formed, whatever they are, and never throw', () => {
    const types = fc.constantFrom('ask', 'edit', 'open', 'code', 'complete', 'load', 'run', 'constructor', '__proto__')
    const anything = fc.oneof(
      fc.anything(),
      fc.record({
        type: types,
        text: fc.anything(),
        turn: fc.anything(),
        place: fc.anything(),
        mentions: fc.anything(),
      }),
      fc.tuple(valid, fc.object()).map(([message, other]) => ({ ...message, ...other, type: message.type })),
    )
    fc.assert(
      fc.property(anything, (message) => {
        const checked = fromChat(message)
        if (checked) assert.deepEqual(fromChat(checked), checked)
      }),
    )
  })

  it('never lead out of the folder', () => {
    const paths = ['../x', 'a/../../x', '/etc/passwd', 'C:\\x', 'c:/x', '..\\x', '\\\\server\\x', 'a/..', '', 'a\0b']
    for (const path of paths)
      assert.equal(fromChat({ type: 'open', place: { file: path }, beside: false }), undefined, path)
    assert.ok(fromChat({ type: 'open', place: { file: 'a..b/c...d' }, beside: false }))
  })

  it('have lines that are lines', () => {
    const open = (startLine: unknown, endLine?: unknown) =>
      fromChat({ type: 'open', place: { file: 'a', startLine, endLine }, beside: false })
    for (const [from, to] of [
      [0, 1],
      [-1, 1],
      [1.5, 2],
      [3, 2],
      ['1', 2],
      [1, NaN],
      [1, Infinity],
    ])
      assert.equal(open(from, to), undefined, `${from} to ${to}`)
    assert.ok(open(1, 1))
  })
})
