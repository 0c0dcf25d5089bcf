/** Golden units of every language, and what cutting promises about edges, symbols and failures. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type GrammarLanguage, grammarLanguages } from '../../extension/workspace/languages'
import { Grammars, installedGrammars } from '../../extension/workspace/parser'
import { breadcrumb, cutUnits, language, references, unitsAndReferences } from '../../extension/workspace/units'
import type { Unit } from '../../extension/protocol/types'

const fixtures = join(__dirname, '../../../test/fixtures/units')
const samples = readdirSync(fixtures).filter((file) => extname(file) !== '.golden')

function unexpected(warning: string): never {
  throw new Error(warning)
}

function lines(unit: Unit): string {
  return `${unit.startLine}-${unit.endLine}`
}

async function symbols(file: string, text: string): Promise<string[]> {
  return (await cutUnits(file, text)).map(({ kind, symbol }) => `${kind} ${symbol}`)
}

/** A body that is too long to merge with anything. */
function body(indent: string, count = 5): string {
  return Array.from({ length: count }, (_, n) => `${indent}step_${n}()\n`).join('')
}

describe('Golden units', () => {
  // UPDATE_GOLDEN=1 npx mocha out/test/unit/units.test.js rewrites the golden files; read the difference before committing it.
  for (const sample of samples) {
    it(`are those of ${sample}`, async () => {
      const text = readFileSync(join(fixtures, sample), 'utf8')
      const { units, references: found } = await unitsAndReferences(sample, text, { warn: unexpected })
      const rows = [
        'units',
        ...units.map((unit) => `  ${lines(unit).padEnd(8)} ${unit.kind.padEnd(10)} ${unit.symbol}`.trimEnd()),
        'definitions',
        ...found.definitions.map(({ name, line }) => `  ${line} ${name}`),
        'imports',
        ...found.imports.map(({ module, line }) => `  ${line} ${module}`),
        'calls',
        ...found.calls.map(({ name, line }) => `  ${line} ${name}`),
      ]
      const actual = rows.join('\n') + '\n'
      const golden = join(fixtures, `${sample}.golden`)
      if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(golden, actual)
      assert.equal(actual, readFileSync(golden, 'utf8'))
    })
  }

  it('exist for every grammar', () => {
    const covered = new Set(samples.map((sample) => language(sample)))
    assert.deepEqual(
      grammarLanguages.filter((id) => !covered.has(id)),
      [],
    )
  })
})

describe('A language', () => {
  const cases: [string, string, string][] = [
    ['src/a.py', '', 'python'],
    ['Gemfile', '', 'ruby'],
    ['include/A.H', '', 'cpp'],
    ['a.test.tsx', '', 'tsx'],
    ['bin/run', '#!/usr/bin/env -S python3.12 -u\n', 'python'],
    ['bin/run', '#!/bin/sh\necho\n', 'bash'],
    ['bin/run', '#! /usr/bin/env FOO=1 node\n', 'javascript'],
    ['bin/run', 'no shebang', 'text'],
    ['notes.txt', '#!/bin/sh\n', 'text'],
    ['setup.cfg', '', 'ini'],
    ['README.md', '', 'markdown'],
    ['a.ipynb', '', 'notebook'],
    ['constructor', '', 'text'],
  ]
  for (const [file, text, expected] of cases) {
    it(`of ${file} ${JSON.stringify(text)} is ${expected}`, () => assert.equal(language(file, text), expected))
  }
})

describe('Units', () => {
  it('are none for an empty file, nor for one of blank lines', async () => {
    for (const text of ['', '\n', ' \n\t\r\n']) assert.deepEqual(await cutUnits('a.py', text), [])
  })

  it('cover a file without a line end at its end', async () => {
    assert.deepEqual((await cutUnits('a.py', 'x = 1')).map(lines), ['1-1'])
  })

  it('give blank lines to the unit before, and leading ones to the first', async () => {
    const text = `\n\ndef a():\n${body('  ')}\n\n\ndef b():\n${body('  ')}\n\n`
    assert.deepEqual((await cutUnits('a.py', text)).map(lines), ['1-11', '12-19'])
  })

  it('count lines by line feeds alone', async () => {
    const text = `def a():\n${body('  ')}def b():\n${body('  ')}`.replaceAll('\n', '\r\n')
    assert.deepEqual((await cutUnits('a.py', text)).map(lines), ['1-6', '7-12'])
  })

  it('keep decorators, attributes and comments with what they lead to', async () => {
    const python = `x = 1\n# Says what it does.\n@decorated(\n  1\n)\n# Why.\n@again\ndef a():\n${body('  ')}`
    assert.deepEqual((await cutUnits('a.py', python)).map(lines), ['1-1', '2-13'])
    const rust = `use x;\n\n/// Says what it does.\n#[test]\n\n#[ignore]\nfn a() {\n${body('  ')}}\n`
    assert.deepEqual((await cutUnits('a.rs', rust)).map(lines), ['1-2', '3-13'])
    const js = `let x = 1 // about x\nfunction a() {\n${body('  ')}}\n`
    assert.deepEqual((await cutUnits('a.js', js)).map(lines), ['1-1', '2-8'])
  })

  it('keep a documentation block over one blank line, and leave other comments', async () => {
    const block = `/** Says what it does. */\n\nfunction a() {\n${body('  ')}}\n`
    assert.deepEqual((await cutUnits('a.js', block)).map(lines), ['1-9'])
    assert.deepEqual((await cutUnits('a.js', block.replace('/**', '/*'))).map(lines), ['1-2', '3-9'])
  })

  it('join definitions that share a line', async () => {
    const text = `function a() {\n${body('  ')}} function b() {\n${body('  ')}}\n`
    assert.deepEqual(
      (await cutUnits('a.js', text)).map(({ symbol }) => symbol),
      ['a, b'],
    )
  })

  it('merge small neighbours and leave definitions of more than a few lines alone', async () => {
    const text = `import os\nX = 1\ndef a(): pass\ndef b(): pass\ndef c():\n${body('  ')}Y = 1\n`
    assert.deepEqual(await symbols('a.py', text), ['statements a, b', 'function c', 'statements '])
  })

  it('name only a few of many merged definitions', async () => {
    const text = Array.from({ length: 9 }, (_, n) => `def f${n}(): pass\n`).join('')
    assert.deepEqual(await symbols('a.py', text), ['function f0, f1, f2, f3, …'])
  })

  it('split a long function between statements and keep its symbol', async () => {
    const loop = `  for x in y:\n${body('    ', 24)}`
    const units = await cutUnits('a.py', `def long():\n${loop}${loop}${loop}`)
    assert.deepEqual(units.map(lines), ['1-26', '27-76'])
    assert.deepEqual(new Set(units.map(({ symbol }) => symbol)), new Set(['long']))
  })

  it('cut a definition inside a long function out as its own', async () => {
    const text = `def outer():\n${body('  ', 30)}\n  def inner():\n${body('    ', 9)}\n${body('  ', 30)}`
    assert.deepEqual(await symbols('a.py', text), ['function outer', 'function outer.inner', 'function outer'])
  })

  it('cut what is longer than a unit inside one token', async () => {
    const text = `X = """\n${'words and words\n\n'.repeat(100)}"""\n`
    const units = await cutUnits('a.py', text)
    assert.ok(units.length > 3)
    assert.ok(units.every(({ startLine, endLine }) => endLine - startLine <= 61))
  })

  it('qualify symbols as each language nests them', async () => {
    const cases: [string, string, string][] = [
      ['a.go', `func (s *Stack[T]) Push(x T) {\n${body('  ')}}\n`, 'method Stack.Push'],
      ['a.rs', `impl<'a, T> fmt::Display for &'a geo::Point<T> {\n  fn fmt() {\n${body('  ')}}\n}\n`, 'class Point'],
      [
        'a.cpp',
        `template <class T>\nint ns::Stack<std::pair<T, T>>::push(T x) {\n${body('  ')}}\n`,
        'method ns.Stack.push',
      ],
      ['a.cpp', `bool ns::Key::operator<(const Key & o) const {\n${body('  ')}}\n`, 'method ns.Key.operator<'],
      ['a.cpp', `API_EXPORT int & f(int (*callback)(int)) {\n${body('  ')}}\n`, 'function f'],
      ['a.js', `module.exports.Foo.prototype.bar = async function () {\n${body('  ')}}\n`, 'method Foo.bar'],
      ['a.js', `const api = {\n  'x-y': {\n    z() {\n${body('  ')}}\n  }\n}\n`, 'class api'],
      ['a.ts', `export default class {\n  a() {\n${body('  ')}}\n}\n`, 'class default'],
      ['a.ts', `export const f = <T,>(x: T): T => {\n${body('  ')}}\n`, 'function f'],
      ['a.rb', `class A::B\n  def self.c\n${body('  ')}end\nend\n`, 'class A.B'],
    ]
    for (const [file, text, expected] of cases) assert.deepEqual(await symbols(file, text), [expected], text)
  })

  it('survive what no parser expects', async () => {
    const texts = [
      '\0'.repeat(100),
      '('.repeat(3000),
      '['.repeat(500) + '\n'.repeat(500) + ']'.repeat(500),
      'x = ' + '1 + '.repeat(5000),
      '{\n'.repeat(3000) + '}\n'.repeat(3000),
      'def f(\n'.repeat(500),
      '"""\n\'\'\'\n`\n/*\n<!--\n'.repeat(50),
      '\uFEFFdef f():\n  pass\n',
      '\uD800 \uDC00 \u2028 🙂\n'.repeat(50),
    ]
    for (const text of texts) {
      for (const file of ['a.py', 'a.ts', 'a.cpp', 'a.rb', 'a.md', 'a.ipynb', 'a.txt']) {
        const units = await cutUnits(file, text)
        assert.equal(units[0]?.startLine, 1)
        assert.equal(units.at(-1)?.endLine, text.replace(/\n$/, '').split('\n').length)
      }
    }
  })
})

describe('A grammar that fails', () => {
  const text = `def a():\n${body('  ')}\ndef b():\n${body('  ')}`

  async function cutWith(broken: Partial<typeof installedGrammars>): Promise<[Unit[], string[]]> {
    const warnings: string[] = []
    const grammars = new Grammars({ ...installedGrammars, ...broken })
    const units = await cutUnits('src/a.py', text, { grammars, warn: (warning) => warnings.push(warning) })
    assert.deepEqual(await references('src/a.py', text, { grammars }), { definitions: [], imports: [], calls: [] })
    return [units, warnings]
  }

  it('leaves its files to be cut as text, with a warning that names file and language', async () => {
    const missing = (id: GrammarLanguage): string => join(fixtures, `no-${id}.wasm`)
    const [units, warnings] = await cutWith({ wasm: missing })
    assert.deepEqual(
      units.map(({ kind, ...unit }) => [kind, lines({ kind, ...unit })]),
      [
        ['text', '1-7'],
        ['text', '8-13'],
      ],
    )
    assert.match(warnings[0] ?? '', /^src\/a\.py: cut as text \(python: .+\)$/)
  })

  it('does so when its file is no grammar or its queries are broken', async () => {
    for (const broken of [
      { wasm: () => join(fixtures, 'inventory.py') },
      { query: () => Promise.resolve('(no_such_node) @function') },
      { query: () => Promise.reject(new Error('gone')) },
    ]) {
      const [units, warnings] = await cutWith(broken)
      assert.equal(units.length, 2)
      assert.equal(warnings.length, 1)
    }
  })
})

describe('A breadcrumb', () => {
  it('is one comment line that names file and symbol', () => {
    assert.equal(breadcrumb('src/a.py', { symbol: 'Class.method' }), '# src/a.py in Class.method')
    assert.equal(breadcrumb('src/a.py', { symbol: '' }), '# src/a.py')
    assert.equal(breadcrumb('odd\nname.py', { symbol: 'f' }), '# odd name.py in f')
  })
})
