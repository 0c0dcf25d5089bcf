/** Long texts of the bench: what is asked for is where it should be, at every length; figures and their picture say what was right. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeModel } from '../../extension/engine/addon'
import { CaseMaker } from '../bench/longcontext/cases'
import type { CodeTaskName } from '../bench/longcontext/code-tasks'
import { cellsOf, FigureFile, parseFigures, table, type Figure } from '../bench/longcontext/figures'
import { heatMap } from '../bench/longcontext/heat-map'
import { inOrderOfImports } from '../bench/longcontext/in-order'
import { unitsOf } from '../bench/longcontext/recalled'
import { judge, makeCase, textTaskNames } from '../bench/longcontext/tasks'
import { temporaryFolder } from '../support/temp'
import { workspace } from '../support/workspace'

/** One token a character. */
const letters = {
  info: () => ({ beginToken: 7, chats: true }),
  tokenize: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
  chat: ([{ content }]: [{ content: string }]) => `<user>${content}<assistant>`,
} as unknown as NativeModel

const textOf = (tokens: Int32Array): string => String.fromCharCode(...tokens)

describe('a long text of the bench', () => {
  for (const task of textTaskNames)
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
    assert.ok(judge(passkey, ' 71432. Remember it.').right)
    for (const said of [' 714321.', ' 71431, or 71432', ' a secret', '']) assert.ok(!judge(passkey, said).right, said)
    const kv = { task: 'kv', answer: 'ab-12' } as const
    assert.ok(judge(kv, 'ab-12"').right && judge(kv, ' "ab-12",').right)
    assert.ok(!judge(kv, 'ab-13, ab-12').right)
  })
})

describe('a long text of code', function () {
  this.timeout(60_000)
  // Functions of many lengths, each documented by a sentence of its own.
  const functionOf = (file: number, i: number): string => {
    const steps = Array.from({ length: 2 + ((file + i) % 4) }, (_, k) => `    value = value * ${k + file} + shift\n`)
    return `def step_${file}_${i}(value, shift):\n    \"\"\"Brings cargo number ${file} to harbour number ${i} by night.\"\"\"\n${steps.join('')}    return value\n`
  }
  const files = Array.from({ length: 20 }, (_, file) => [
    `part/file${String(file).padStart(2, '0')}.py`,
    // Each imports the one before it.
    `${file === 0 ? '' : `from .file${String(file - 1).padStart(2, '0')} import step_${file - 1}_1\n\n\n`}${Array.from({ length: 4 }, (_, i) => functionOf(file, i)).join('\n\n')}`,
  ])
  const root = workspace(Object.fromEntries(files) as Record<string, string>)
  let maker: CaseMaker
  const cache = process.env['LONGREAD_CACHE']
  before(() => {
    process.env['LONGREAD_CACHE'] = temporaryFolder()
    maker = new CaseMaker(letters, root)
  })
  after(() => {
    if (cache === undefined) delete process.env['LONGREAD_CACHE']
    else process.env['LONGREAD_CACHE'] = cache
  })

  const make = (task: CodeTaskName, depth: number, seed = 3, length = 6000) =>
    maker.make({ task, length, depth, seed, chat: false })

  it('holds a constant that was put in at a depth, once, as a unit of the file that it stands in', async () => {
    for (const depth of [0, 0.5, 1]) {
      const { stream, question, from, to, answer, length, lengths, asks } = await make('needle', depth)
      assert.ok(length <= 6000 && length > 4500, String(length))
      const text = textOf(stream)
      assert.match(text.slice(from, to), new RegExp(`^ *# The [a-z ]+\\.\\n *[A-Z_]+ = ${answer}\\n$`))
      assert.equal(text.split(answer).length, 2)
      assert.ok(!textOf(question).includes(answer) && asks.startsWith('What is the '))
      assert.ok(Math.abs(from / stream.length - depth) < 0.2, `${from} of ${stream.length} for ${depth}`)
      assert.equal(
        lengths.reduce((sum, one) => sum + one, 0),
        stream.length,
      )
    }
  })

  it('holds a function without the documentation that asks for it, and others', async () => {
    for (const task of ['name', 'function', 'body'] as const)
      for (const depth of [0, 1]) {
        const { stream, from, to, answer, asks, others, question } = await make(task, depth)
        const text = textOf(stream)
        assert.ok(text.slice(from, to).includes(answer))
        assert.ok(!text.includes(asks.slice(asks.indexOf(': ') + 2)))
        assert.equal(textOf(question).includes(asks), task !== 'body')
        if (task === 'body') assert.ok(text.includes(textOf(question) + answer))
        assert.ok(others!.length > 0 && !others!.includes(answer))
        for (const other of others!) assert.ok(text.includes(other), other)
        assert.ok(depth === 0 ? from < 2500 : stream.length - to < 2500)
      }
  })

  it('says which tokens of the stream each line of its files is', async () => {
    for (const asked of [await make('needle', 0.5), makeCase(letters, { task: 'keys', length: 6000, depth: 0.5, seed: 1, chat: false })]) // prettier-ignore
      for (const { text, spans } of asked.files)
        for (const { startLine, endLine, from, to } of spans)
          assert.equal(
            textOf(asked.stream.slice(from, to)).trim(),
            text
              .split('\n')
              .slice(startLine - 1, endLine)
              .join('\n')
              .trim(),
          )
  })

  it('may have each of its files after those that it imports, what is wanted in its file', async () => {
    const asked = await make('needle', 0.5)
    // The first file of the text imports the last one, and this one the second.
    const places = asked.files.map(({ place }) => place)
    const last = places.length - 1
    const files = asked.files.map((file, i) => {
      const imports = i === 0 ? [places[last]!.file] : i === last ? [places[1]!.file, 'elsewhere.py'] : []
      return { ...file, place: { ...file.place, imports } }
    })
    const ordered = inOrderOfImports({ ...asked, files })
    const [text, before] = [textOf(ordered.stream), textOf(asked.stream)]
    const named = (all: string) => [...all.matchAll(/^# File: (.*)$/gm)].map(([, name]) => name)
    const [first, second, ...rest] = named(before)
    assert.deepEqual(named(text), [second, rest.at(-1), first, ...rest.slice(0, -1)])
    assert.equal(text.slice(ordered.from, ordered.to), before.slice(asked.from, asked.to))
    assert.equal(text.length, before.length)
    for (const [i, { name, text: lines, spans, place }] of ordered.files.entries()) {
      assert.ok(text.slice(place.from, place.to).startsWith(`# File: ${name}\n`))
      assert.equal(
        ordered.lengths.slice(...place.units).reduce((sum, one) => sum + one, 0),
        place.to - place.from,
      )
      assert.equal(lines, asked.files[i]!.text)
      for (const [k, { from, to }] of spans.entries()) {
        const was = asked.files[i]!.spans[k]!
        assert.equal(text.slice(from, to), before.slice(was.from, was.to))
      }
    }
    assert.deepEqual(inOrderOfImports(asked), asked)
  })

  it('knows which of its files a file imports', async () => {
    for (const { name, place } of (await make('needle', 0.5)).files) {
      const number = Number(/file(\d+)/.exec(name)![1])
      const before = name.replace(/\d+\.py$/, `${String(number - 1).padStart(2, '0')}.py`)
      assert.deepEqual(place.imports, number === 0 ? [] : [before])
    }
  })

  it('is the same for the same seed, and another for another', async () => {
    assert.deepEqual(await make('body', 0.5), await make('body', 0.5))
    assert.deepEqual(await make('needle', 0.5), await make('needle', 0.5))
    assert.notEqual((await make('needle', 0.5, 4)).answer, (await make('needle', 0.5)).answer)
  })

  it('is refused where the repository is too small for it', async () => {
    await assert.rejects(make('needle', 0.5, 3, 10_000_000), /too small/)
  })

  it('is answered by its function, as far as it is like it and like no other', () => {
    const answer = 'def add(a, b):\n    return a + b\n'
    const asked = { task: 'function', answer, others: ['def subtract(a, b):\n    return a - b\n'] } as const
    assert.deepEqual(judge(asked, `${answer}\n\ndef more():`), { right: true, similarity: 1, best: true })
    const part = judge(asked, 'def add(x, y):\n    return x + y')
    assert.ok(part.best && !part.right && part.similarity! > 0.2 && part.similarity! < 0.8)
    assert.ok(!judge(asked, asked.others[0]).best && !judge(asked, '').best)
    const name = { task: 'name', answer: 'read_all', others: ['read_some', 'write'] } as const
    assert.deepEqual(judge(name, 'Files.read_all`, which'), { right: true, best: true })
    assert.deepEqual(judge(name, 'read_allow`'), { right: false, best: true })
    assert.deepEqual(judge(name, 'read_so`'), { right: false, best: false })
    assert.deepEqual(judge(name, '`'), { right: false, best: false })
  })

  it('gives units of the memory for what was recalled, the best first, as many as there is room for', () => {
    const starts = Int32Array.of(10, 20, 30, 40, 80)
    const units = (...spans: [number, number][]) => [
      ...unitsOf(
        spans.map(([from, to]) => ({ from, to })),
        starts,
        { topk: 5, blockSize: 10 },
      ),
    ]
    assert.deepEqual(units([25, 28], [12, 22]), [0, 1])
    assert.deepEqual(units([45, 60], [12, 22], [0, 12]), [0, 3])
    assert.deepEqual(units([0, 5], [80, 99]), [])
    assert.deepEqual(units([0, 100]), [0, 1, 2])
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
    const [a, b] = [
      { nLocal: 1, topk: 2 },
      { topk: 2, nLocal: 1 },
    ]
    const lines = [a, b, { ...a, topk: 3 }].map((parameters) => JSON.stringify({ ...figures[0]!, parameters }))
    assert.equal(parseFigures(lines.join('\n')).length, 2)
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
    // The paper's parameters beside others.
    const others = figures.map((figure) => ({ ...figure, parameters: { nLocal: 1024, topk: 8 } }))
    const names = table([...figures.slice(0, 1), ...others.slice(0, 1)]).split('\n').map((line) => line.split('  ')[0]) // prettier-ignore
    assert.deepEqual(names.slice(1), ["passkey, paper (the paper's)", 'passkey, paper (nLocal=1024,topk=8)'])
  })

  it('are drawn as a map of each way, every field with its number', () => {
    const svg = heatMap(figures)
    assert.equal(svg.match(/<rect /g)?.length, 3)
    assert.ok(svg.includes('4K tokens, 0 % deep: 1 of 2 right'))
    assert.ok(svg.includes('passkey, streaming') && svg.includes('>50</text>') && svg.includes('100 % deep'))
    assert.ok(!svg.includes('NaN'))
  })
})
