/** Long texts of the bench: what is asked for is where it should be, at every length; figures and their picture say what was right. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeModel } from '../../extension/engine/addon'
import { cellsOf, FigureFile, parseFigures, table, type Figure } from '../bench/longcontext/figures'
import { heatMap } from '../bench/longcontext/heat-map'
import { isRight, makeCase, taskNames } from '../bench/longcontext/tasks'
import { temporaryFolder } from '../support/temp'

/** One token a character. */
const letters = {
  info: () => ({ beginToken: 7, chats: true }),
  tokenize: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
  chat: ([{ content }]: [{ content: string }]) => `<user>${content}<assistant>`,
} as unknown as NativeModel

const textOf = (tokens: Int32Array): string => String.fromCharCode(...tokens)

describe('a long text of the bench', () => {
  for (const task of taskNames)
    it(`of ${task} holds the answer once asked for, at its depth, and has the length that was asked for`, () => {
      for (const length of [2000, 30_000])
        for (const depth of [0, 0.5, 1]) {
          const asked = makeCase(letters, { task, length, depth, seed: 3, chat: true })
          const { stream, question, from, to, answer } = asked
          assert.ok(asked.length <= length && asked.length > length - 100, `${asked.length} of ${length}`)
          assert.equal(asked.length, stream.length + question.length)
          const wanted = textOf(stream.slice(from, to))
          assert.ok(wanted.includes(answer))
          const text = textOf(stream)
          assert.ok(!(text.slice(0, from) + text.slice(to)).includes(answer))
          assert.ok(Math.abs(from / stream.length - depth) < 0.2)
          assert.ok(text.startsWith('<user>') && textOf(question).includes('<assistant>'))
          assert.ok(!textOf(question).includes(answer))
        }
    })

  it('is the same for the same seed, another for another, and a plain text where it is not asked for as a chat', () => {
    const options = { task: 'kv', length: 2000, depth: 0.3, seed: 4, chat: false } as const
    const one = makeCase(letters, options)
    assert.deepEqual(makeCase(letters, options), one)
    assert.notEqual(makeCase(letters, { ...options, seed: 5 }).answer, one.answer)
    assert.equal(one.stream[0], 7)
    assert.ok(!textOf(one.stream).includes('<user>'))
  })

  it('is answered by its own number or value alone', () => {
    const passkey = { task: 'passkey', answer: '71432' } as const
    assert.ok(isRight(passkey, ' 71432. Remember it.'))
    for (const said of [' 714321.', ' 71431, or 71432', ' a secret', '']) assert.ok(!isRight(passkey, said), said)
    const kv = { task: 'kv', answer: 'ab-12' } as const
    assert.ok(isRight(kv, 'ab-12"') && isRight(kv, ' "ab-12",'))
    assert.ok(!isRight(kv, 'ab-13, ab-12'))
  })
})

const figure = (length: number, depth: number, right: boolean, more: Partial<Figure> = {}): Figure => ({
  ...{ way: 'paper', task: 'passkey', length, tokens: length, depth, seed: 1, chat: false, model: 'M', parameters: {} },
  ...{ right, answer: '1', said: '1', readSeconds: 1, answerSeconds: 1, machine: 'here' },
  ...more,
})

describe('figures of long texts', () => {
  const figures = [
    figure(4096, 0, true),
    figure(4096, 0, false, { seed: 2 }),
    figure(16_384, 1, true),
    figure(4096, 0, false, { way: 'streaming' }),
  ]

  it('are added to a file, once a case, also behind a line that was cut short', async () => {
    const path = join(temporaryFolder(), 'figures.jsonl')
    writeFileSync(path, `${JSON.stringify(figures[0])}\n`)
    const file = await FigureFile.open(path)
    assert.ok(file.has(figures[0]!))
    assert.ok(!file.has(figures[1]!))
    await file.add(figures[1]!)
    assert.ok(file.has(figures[1]!))
    appendFileSync(path, '{"way":"pa')
    assert.deepEqual(parseFigures(readFileSync(path, 'utf8')), figures.slice(0, 2))
    await (await FigureFile.open(path)).add(figures[2]!)
    assert.deepEqual(parseFigures(readFileSync(path, 'utf8')), figures.slice(0, 3))
    assert.throws(() => parseFigures('{"way":\n{}'), /Line 1 is no figure/)
  })

  it('are counted by length and depth, and by way', () => {
    assert.deepEqual(cellsOf(figures.slice(0, 3)), [
      { length: 4096, depth: 0, right: 1, cases: 2 },
      { length: 16_384, depth: 1, right: 1, cases: 1 },
    ])
    assert.deepEqual(
      table(figures)
        .split('\n')
        .map((line) => line.trim().split(/\s{2,}/)),
      [
        ['4K', '16K'],
        ['passkey, paper', '1/2', '1/1'],
        ['passkey, streaming', '0/1', '–'],
      ],
    )
  })

  it('are drawn as a map of each way, every field with its number', () => {
    const svg = heatMap(figures)
    assert.equal(svg.match(/<rect /g)?.length, 3)
    assert.ok(svg.includes('4K tokens, 0 % deep: 1 of 2 right'))
    assert.ok(svg.includes('passkey, streaming') && svg.includes('>50</text>') && svg.includes('100 % deep'))
    assert.ok(!svg.includes('NaN'))
  })
})
