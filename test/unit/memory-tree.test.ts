/** The memory view's tree and the trace of an answer. */
import assert from 'node:assert/strict'
import { traceText } from '../../extension/answer/trace'
import type { Turn } from '../../extension/protocol/chat'
import { contentsOf, filesAtOnce } from '../../extension/recall/contents'
import { entriesOf, type Entry } from '../../extension/views/memory-tree'

describe('the memory view', () => {
  const held = ['README.md', 'web-2/x.ts', 'web/app.ts', 'web/page/index.ts', 'web/router.ts'].map((file, i) => ({
    file,
    tokens: 10 * (i + 1),
  }))
  const names = (folder: string) =>
    entriesOf(folder, contentsOf(held, folder), 0).map((entry) =>
      entry.kind === 'folder'
        ? `${entry.path}/ ${entry.files} ${entry.tokens}`
        : entry.kind === 'file'
          ? `${entry.file} ${entry.tokens}`
          : '',
    )

  it('shows folders with what is in them, then files', () => {
    assert.deepEqual(names(''), ['web/ 3 120', 'web-2/ 1 20', 'README.md 10'])
    assert.deepEqual(names('web'), ['web/page/ 1 40', 'web/app.ts 30', 'web/router.ts 50'])
    assert.deepEqual(names('nothing'), [])
  })

  it('shows each of very many files of a folder once, some at a time', () => {
    const many = Array.from({ length: 2 * filesAtOnce + 5 }, (_, i) => ({
      file: `flat/f${String(i).padStart(6, '0')}.py`,
      tokens: 1,
    }))
    many.unshift({ file: 'flat/deep/x.py', tokens: 1 })
    const shown: string[] = []
    let more: { readonly from: number; readonly files: number } | undefined = { from: 0, files: 0 }
    const left: number[] = []
    while (more) {
      const entries: Entry[] = entriesOf('flat', contentsOf(many, 'flat', more.from), more.from)
      assert.ok(entries.length <= filesAtOnce + 2)
      shown.push(...entries.flatMap((entry) => (entry.kind === 'file' ? [entry.file] : [])))
      assert.equal(
        entries.some(({ kind }) => kind === 'folder'),
        more.from === 0,
      )
      more = entries.find((entry) => entry.kind === 'more')
      if (more) left.push(more.files)
    }
    assert.deepEqual(shown, many.slice(1).map(({ file }) => file)) // prettier-ignore
    assert.deepEqual(left, [filesAtOnce + 5, 5])
  })
})

describe('a trace', () => {
  it('shows steps with times, what was found with every score, and what was cited', () => {
    const turn: Turn = {
      id: 'a', question: 'How\nso?', mentions: [], state: 'done', answer: 'So.', asked: 0,
      result: {
        citations: [{ at: 3, file: 'a.ts', startLine: 1, endLine: 5, symbol: 'run' }],
        found: [
          {
            file: 'a.ts', startLine: 1, endLine: 5, kind: 'function', symbol: 'run', score: 3.456, attention: 2, read: true,
            foundBy: [{ word: 'so', share: 0.5 }], heat: [], lines: [],
          },
        ],
        followUps: [], recallMs: 1200, firstTokenMs: 300, totalMs: 2000, partial: false,
      },
    } // prettier-ignore
    assert.equal(
      traceText(turn),
      `question  How so?
asked     1970-01-01T00:00:00.000Z
state     done

[times]
  1,200 ms  recall: every key scored, the best units read again
    300 ms  prefill: the reading list read, first word
    500 ms  reading changes before, and the words of the answer
  2,000 ms  in all

[found]
  rank  score   attn  words  again  place
*    1   3.46   2.00      -      -  a.ts:1-5 run
       by so 50%
  * read before answering

[cited]
  at     3  a.ts:1-5

[answer]
So.
`,
    )
  })

  it('of a question without an answer says so much', () => {
    const text = traceText({ id: 'a', question: 'Q', mentions: [], state: 'stopped', answer: 'It', asked: 0 })
    assert.match(text, /^question {2}Q\n.*\nstate {5}stopped\n\n\[answer\]\nIt\n$/)
  })
})
