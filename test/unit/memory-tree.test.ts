/** The memory view's tree and the trace of an answer. */
import assert from 'node:assert/strict'
import { traceText } from '../../extension/answer/trace'
import type { Turn } from '../../extension/protocol/chat'
import { holding } from '../../extension/views/memory-tree'

describe('the memory view', () => {
  const held = ['web/router.ts', 'README.md', 'web/page/index.ts', 'web/app.ts', 'web2/x.ts'].map((file, i) => ({
    file, tokens: 10 * (i + 1), units: [],
  })) // prettier-ignore
  const names = (folder: string) =>
    holding(held, folder).map((entry) =>
      entry.kind === 'folder'
        ? `${entry.path}/ ${entry.files} ${entry.tokens}`
        : entry.kind === 'file'
          ? entry.name
          : '',
    )

  it('shows folders with what is in them, then files', () => {
    assert.deepEqual(names(''), ['web/ 3 80', 'web2/ 1 50', 'README.md'])
    assert.deepEqual(names('web'), ['web/page/ 1 30', 'app.ts', 'router.ts'])
    assert.deepEqual(names('nothing'), [])
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
