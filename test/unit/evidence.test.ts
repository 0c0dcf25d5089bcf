/** What units stand for, who uses whom, and how both change the scores of all signals. */
import * as assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { withEvidence } from '../../extension/recall/evidence'
import { isCode, penalties, standingsOf } from '../../extension/recall/standing'
import { UseIndex } from '../../extension/recall/uses'
import type { UnitReference } from '../../extension/protocol/types'

const unit = (file: string, symbol = '', kind: UnitReference['kind'] = 'function'): UnitReference => ({
  file,
  startLine: 1,
  endLine: 1,
  kind,
  symbol,
})
const lost = (file: string, question: string, kind: UnitReference['kind'] = 'function'): number =>
  penalties(standingsOf([unit(file, '', kind)]), question)[0] ?? NaN

describe('what a unit stands for', () => {
  it('is a test in the forms of every language', () => {
    for (const file of [
      'tests/test_api.py',
      'src/api_test.go',
      'web/router.spec.ts',
      'src/test/java/org/a/ParserTest.java',
      'Newtonsoft.Json.Tests/Linq/JTokenTests.cs',
      'crates/core/benches/scan.rs',
      'pkg/testdata/one.go',
    ])
      assert.equal(lost(file, 'where are headers parsed?'), 3, file)
  })

  it('is code where a path only looks like one of a test', () => {
    for (const file of [
      'src/contest.py',
      'src/latest/inspect.ts',
      'lib/specification.go',
      'src/attest.rs',
      'src/pkg/testing/clock.py',
      'mock/mock.go',
    ])
      assert.ok(isCode(file) && lost(file, 'where are headers parsed?') === 0, file)
  })

  it('counts for nothing where the question asks for it', () => {
    assert.equal(lost('tests/test_api.py', 'which tests cover retries?'), 0)
    assert.equal(lost('README.md', 'what does the readme say of proxies?', 'section'), 0.5)
    assert.equal(lost('README.md', 'where are proxies set?', 'section'), 2)
    assert.equal(lost('package.json', 'which version of mocha is used?', 'text'), 0.5)
  })

  it('puts a stretch between definitions a little behind a definition', () => {
    assert.equal(lost('src/a.py', 'where?', 'statements'), 0.5)
  })
})

describe('uses', () => {
  const files = ['src/a.py', 'src/b.py', 'tests/test_a.py']
  const index = (): UseIndex => {
    const made = new UseIndex()
    made.put('src/a.py', [unit('src/a.py', 'parse_header')], ['def parse_header(): return split()'])
    made.put('src/b.py', [unit('src/b.py', 'Session.send'), unit('src/b.py', 'get')], ['parse_header(x)', 'x'])
    made.put('tests/test_a.py', [unit('tests/test_a.py', 'test_send')], ['assert parse_header and Session.send'])
    return made
  }
  const pairs = (made: UseIndex, of: readonly string[]): string[] => {
    const { from, to } = made.uses(of)
    return Array.from(from, (one, i) => `${one}>${to[i]}`).sort()
  }

  it('join a unit with the definitions whose names it writes, and never with itself', () => {
    assert.deepEqual(pairs(index(), files), ['1>0', '3>0', '3>1'])
  })

  it('follow when a file changes or goes', () => {
    const made = index()
    pairs(made, files)
    made.remove('tests/test_a.py')
    assert.deepEqual(pairs(made, ['src/a.py', 'src/b.py']), ['1>0'])
    made.put('src/b.py', [unit('src/b.py', 'Session.send')], ['nothing'])
    assert.deepEqual(pairs(made, ['src/a.py', 'src/b.py']), [])
  })

  it('are after any changes those of an index made of what is there now', () => {
    const names = ['parse_header', 'send_all', 'Session', 'close_it']
    const change = fc.record({
      file: fc.constantFrom('a.py', 'b.py', 'tests/test_c.py', 'd.py', 'e.py'),
      units: fc.array(fc.tuple(fc.constantFrom(...names), fc.array(fc.constantFrom(...names), { maxLength: 3 })), {
        maxLength: 3,
      }),
      gone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), fc.boolean(), (changes, tidied) => {
        const changed = new UseIndex()
        const held = new Map<string, (typeof changes)[number]['units']>()
        const put = (made: UseIndex, file: string) =>
          made.put(
            file,
            held.get(file)!.map(([symbol]) => unit(file, symbol)),
            held.get(file)!.map(([symbol, written]) => [symbol, ...written].join(' ')),
          )
        for (const { file, units, gone } of changes) {
          if (gone) held.delete(file)
          else held.set(file, units)
          if (gone) changed.remove(file)
          else put(changed, file)
        }
        // So many that their numbers are given up.
        if (tidied) for (let i = 0; i < 1100; i++) changed.put('x.py', [unit('x.py', 'gone')], ['gone Session'])
        changed.remove('x.py')
        const all = [...held.keys()].sort()
        const made = new UseIndex()
        for (const file of all) put(made, file)
        assert.deepEqual(new Set(pairs(changed, all)), new Set(pairs(made, all)))
      }),
      { numRuns: 150 },
    )
  })

  it('leave out names that many units define', () => {
    const made = new UseIndex()
    const all = ['a.py', 'b.py', 'c.py', 'd.py']
    for (const file of all) made.put(file, [unit(file, 'close')], ['close()'])
    assert.deepEqual(pairs(made, all), [])
  })
})

describe('evidence', () => {
  const noUses = { from: new Uint32Array(), to: new Uint32Array() }

  it('lifts what a well-found test uses, and not the test', () => {
    const plain = Float32Array.of(0.1, 4, 0, 0.2)
    const scores = Float32Array.of(0.1, 1, 0, 0.2)
    const fileOf = Uint32Array.of(0, 1, 2, 3)
    const before = withEvidence(scores, plain, noUses, fileOf)
    const after = withEvidence(scores, plain, { from: Uint32Array.of(1), to: Uint32Array.of(0) }, fileOf)
    assert.ok(before[3]! > before[0]!)
    assert.ok(after[0]! > after[3]!)
  })

  it('lifts a unit in good company over one alone', () => {
    const scores = Float32Array.of(2, 2, 1.5, 1.5, -3, -3, -3)
    const fileOf = Uint32Array.of(0, 1, 1, 1, 2, 3, 4)
    const found = withEvidence(scores, scores, noUses, fileOf)
    assert.ok(found[1]! > found[0]!)
  })

  it('keeps the order within a file, and every score finite', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 40 }), (values) => {
        const scores = Float32Array.from(values)
        const found = withEvidence(scores, scores, noUses, new Uint32Array(scores.length))
        assert.ok(found.every(Number.isFinite))
        for (let a = 0; a < scores.length; a++)
          for (let b = 0; b < scores.length; b++) if (scores[a]! > scores[b]! + 1e-3) assert.ok(found[a]! >= found[b]!)
      }),
      { numRuns: 200 },
    )
  })

  it('leaves what is given as it was', () => {
    const scores = Float32Array.of(1, 2, 3)
    withEvidence(scores, scores, noUses, Uint32Array.of(0, 0, 0))
    assert.deepEqual([...scores], [1, 2, 3])
  })
})
