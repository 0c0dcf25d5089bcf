/** Units of what has no grammar: Markdown by headings, notebooks by cells, other text by its layout. */
import assert from 'node:assert/strict'
import { cutUnits } from '../../extension/workspace/units'

async function cut(file: string, text: string): Promise<string[]> {
  return (await cutUnits(file, text)).map(({ startLine, endLine, kind, symbol }) =>
    `${startLine}-${endLine} ${kind} ${symbol}`.trimEnd(),
  )
}

function paragraph(words: string, rows = 5): string {
  return `${words}\n`.repeat(rows)
}

describe('Markdown', () => {
  it('is cut at headings of both kinds, named by the headings above', async () => {
    const text = `# A\n${paragraph('a')}## B\n${paragraph('b')}C\n===\n${paragraph('c')}D\n---\n${paragraph('d')}### E ###\n${paragraph('e')}`
    // The line above an underline is a heading only where a paragraph starts.
    const apart = text.replaceAll(/^([CD])$/gm, '\n$1')
    assert.deepEqual(await cut('a.md', apart), [
      '1-6 section A',
      '7-13 section A > B',
      '14-21 section C',
      '22-28 section C > D',
      '29-34 section C > D > E',
    ])
  })

  it('finds no headings in fenced code, comments and front matter', async () => {
    const hidden = [
      '---\ntitle: x\n# no\n---\n',
      '````md\n```\n# no\n```\n````\n',
      '~~~\n# no\n```\n~~~\n',
      '<!--\n# no\n-->\n',
      '- item\n  ```\n# no\n  ```\n',
    ]
    for (const text of hidden) {
      assert.deepEqual(
        await cut('a.md', `${text}${paragraph('x')}`),
        [`1-${text.split('\n').length + 4} section`],
        text,
      )
    }
    assert.deepEqual(await cut('a.md', `---\n\n# Yes\n${paragraph('x')}`), ['1-2 section', '3-8 section Yes'])
  })

  it('keeps a heading without text with the section under it, and words of links and emphasis', async () => {
    const text = `# [Title](http://a.example) *now*\n\n## \`code\` {#anchor}\n\n${paragraph('x')}`
    assert.deepEqual(await cut('a.md', text), ['1-9 section Title now > code'])
  })

  it('merges short sections of one parent', async () => {
    const text = `# A\n\n${paragraph('a')}\n## B\n\nb\n\n## C\n\nc\n\n# D\n\nd\n`
    assert.deepEqual(await cut('a.md', text), ['1-8 section A', '9-16 section A > B, A > C', '17-19 section D'])
  })

  it('cuts a long section between paragraphs, and leaves code whole where it can', async () => {
    const code = '```\n' + paragraph('code\n', 12) + '```\n'
    const units = await cutUnits('a.md', `# A\n\n${`${paragraph('words', 6)}\n${code}\n`.repeat(4)}`)
    assert.ok(units.length >= 2)
    assert.ok(units.every(({ symbol }) => symbol === 'A'))
    const rows = `# A\n\n${`${paragraph('words', 6)}\n${code}\n`.repeat(4)}`.split('\n')
    for (const { startLine } of units.slice(1)) assert.match(rows[startLine - 1] ?? '', /^(?:words|```)$/)
  })
})

describe('A notebook', () => {
  const cell = (source: string[]): object => ({ cell_type: 'code', metadata: {}, outputs: [], source })

  it('is cut by cells, as lines of its file, and what follows them by its layout', async () => {
    const cells = [cell(['x = "]}"\n', 'y']), cell([]), cell(['z'])]
    const text = JSON.stringify({ cells, metadata: { kernelspec: { name: 'python3', language: 'python' } } }, null, 1)
    const rows = text.split('\n')
    const units = await cutUnits('a.ipynb', text)
    assert.deepEqual(
      units.map(({ symbol }) => symbol),
      ['cell 1', 'cell 2', 'cell 3', ''],
    )
    for (const { startLine, symbol } of units.slice(1, 3)) assert.equal(rows[startLine - 1], '  {', symbol)
    assert.equal(units[0]?.startLine, 1)
    assert.equal(units.at(-1)?.endLine, rows.length)
  })

  it('keeps the parts of a long cell under its name', async () => {
    const text = JSON.stringify({ cells: [cell(Array<string>(200).fill('x = 1\n'))] }, null, 1)
    const units = await cutUnits('a.ipynb', text)
    assert.ok(units.length > 3)
    assert.deepEqual(
      new Set(units.slice(0, 4).map(({ kind, symbol }) => `${kind} ${symbol}`)),
      new Set(['cell cell 1']),
    )
  })

  it('in one line is one unit', async () => {
    assert.deepEqual(await cut('a.ipynb', JSON.stringify({ cells: [cell(['a']), cell(['b'])] })), ['1-1 cell cell 1'])
  })

  it('that is none is cut as text', async () => {
    for (const text of ['{\n "nbformat": 4\n}\n', 'not JSON\n', '{"cells": [\n', '"cells"\n']) {
      assert.deepEqual(
        (await cutUnits('a.ipynb', text)).map(({ kind }) => kind),
        ['text'],
        text,
      )
    }
  })

  it('that breaks off keeps the cells that it has', async () => {
    const text = JSON.stringify({ cells: [cell(['a']), cell(['b']), cell(['c'])] }, null, 1)
    const units = await cutUnits('a.ipynb', text.slice(0, text.indexOf('"c"')))
    assert.deepEqual(
      units.map(({ symbol }) => symbol),
      ['cell 1', 'cell 2', ''],
    )
  })
})

describe('Other text', () => {
  it('is cut between paragraphs, which merge', async () => {
    const text = `${paragraph('one', 9)}\n${paragraph('two', 9)}\n${paragraph('three', 9)}`
    assert.deepEqual(await cut('a.txt', text), ['1-20 text', '21-29 text'])
  })

  it('keeps what is indented with the line above, across blank lines', async () => {
    const block = (name: string): string => `${name}\n  a\n\n  b\n  c\nend\n`
    assert.deepEqual(await cut('a.lua', `${block('f')}\n${block('g')}`), ['1-7 text', '8-13 text'])
  })

  it('keeps an underlined heading with its text', async () => {
    const text = `${paragraph('one', 15)}\nHeading\n-------\n\n${paragraph('two', 9)}`
    assert.deepEqual(await cut('a.rst', text), ['1-16 text', '17-28 text'])
  })

  it('cuts a long block where its body is divided', async () => {
    const service = (name: string): string => `  ${name}:\n${paragraph('    key: value', 29)}`
    const text = `services:\n${service('a')}${service('b')}${service('c')}`
    assert.deepEqual(await cut('a.yaml', text), ['1-31 text', '32-61 text', '62-91 text'])
  })

  it('cuts what has no layout by size', async () => {
    const units = await cutUnits('a.csv', paragraph('1,2,3', 500))
    assert.ok(units.length >= 25 && units.length <= 30)
  })
})
