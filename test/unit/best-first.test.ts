/** The order of all units by score, and the lexical index after many changes. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { bestFirst } from '../../extension/recall/best-first'
import { LexicalIndex } from '../../extension/recall/lexical'
import type { UnitReference } from '../../extension/protocol/types'

describe('units from the best on', () => {
  it('stand as a stable sort by falling score puts them, whatever the scores are', () => {
    const score = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity))
    fc.assert(
      fc.property(fc.array(score), (list) => {
        const scores = Float32Array.from(list)
        const should = [...scores.keys()].sort((a, b) => (scores[a] === scores[b] ? a - b : scores[b]! - scores[a]!))
        assert.deepEqual([...bestFirst(scores)], should)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the lexical index', () => {
  const words = ['merge', 'proxy', 'settings', 'Session', 'send_all', 'closeAll', 'folder', 'large']
  const unit = (file: string, symbol: string): UnitReference => ({
    ...{ file, symbol, kind: 'function' },
    ...{ startLine: 1, endLine: 2 },
  })
  const change = fc.record({
    file: fc.nat({ max: 5 }).map((n) => `f${n}.py`),
    units: fc.array(fc.tuple(fc.constantFrom(...words), fc.array(fc.constantFrom(...words), { maxLength: 6 })), {
      maxLength: 4,
    }),
    gone: fc.boolean(),
  })

  it('scores after any changes as one that was made of what is there now', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const changed = new LexicalIndex()
        const held = new Map<string, readonly (readonly [string, readonly string[]])[]>()
        const put = (index: LexicalIndex, file: string) => {
          const units = held.get(file) ?? []
          index.put(
            file,
            units.map(([symbol]) => unit(file, symbol)),
            units.map(([, text]) => text.join(' ')),
          )
        }
        for (const { file, units, gone } of changes) {
          if (gone) {
            held.delete(file)
            changed.remove(file)
          } else {
            held.set(file, units)
            put(changed, file)
          }
          changed.score([...held.keys()], 'merge?')
        }
        const files = [...held.keys()].sort()
        const made = new LexicalIndex()
        for (const file of files) put(made, file)
        const kin = (term: string) => (term === 'merg' ? [{ term: 'folder', likeness: 0.5 }] : [])
        for (const question of ['how does Session send_all merge proxy settings?', 'large folder', 'closeAll']) {
          assert.deepEqual(changed.score(files, question, kin), made.score(files, question, kin))
          assert.equal(changed.coverage(files, question), made.coverage(files, question))
        }
        for (const word of words) assert.equal(changed.knows(word), made.knows(word))
      }),
      { numRuns: 200 },
    )
  })

  it('forgets units that have gone when they are many, and scores as before', () => {
    const index = new LexicalIndex()
    const texts = Array.from({ length: 20 }, (_, i) => `merge proxy ${words[i % words.length]!}`)
    const units = texts.map((_, i) => unit('a.py', `f_${i}`))
    index.put('a.py', units, texts)
    const before = index.score(['a.py'], 'where are proxy settings merged?')
    for (let times = 0; times < 200; times++) index.put('a.py', units, texts)
    assert.deepEqual(index.score(['a.py'], 'where are proxy settings merged?'), before)
  })
})
