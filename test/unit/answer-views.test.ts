/** What is made of an answer for people to see: marks at sentence ends, heat on lines, places, follow-ups, exports, mentions. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { exportMarkdown } from '../../extension/answer/export'
import { followUps, type Fill } from '../../extension/answer/follow-ups'
import { heatOf, lineHeat } from '../../extension/answer/heat'
import { insertAt } from '../../extension/answer/insertions'
import { complete, completeAll, mentionsIn, point } from '../../extension/answer/mentions'
import { turnResult } from '../../extension/answer/turn-result'
import type { Mention, Turn } from '../../extension/protocol/chat'
import type { AskResult, RecalledUnit } from '../../extension/protocol/types'
import { liesIn } from '../../extension/recall/places'
import { rejects } from '../support/rejects'

const fill: Fill = (message, ...args) => message.replace(/\{(\d)\}/g, (_, i: string) => args[Number(i)] ?? '')
const unit = (file: string, startLine: number, endLine: number, symbol = '', score = 1): RecalledUnit => ({
  file, startLine, endLine, symbol, kind: 'function', score, signals: { attention: score }, foundBy: [],
}) // prettier-ignore

describe('marks in an answer', () => {
  it('stand right behind the sentences that they belong to', () => {
    const text = 'One. Two.\nThree'
    const marks = [4, 10, 15].map((at, i) => ({ at, text: `[${i + 1}]` }))
    assert.equal(insertAt(text, marks), 'One.[1] Two.[2]\nThree[3]')
  })

  it('get a paragraph of their own behind a fence', () => {
    const text = 'See:\n```ts\nlet x\n```\nDone.'
    const at = text.indexOf('Done')
    assert.equal(insertAt(text, [{ at, text: '[1]' }]), 'See:\n```ts\nlet x\n```\n\n[1]\n\nDone.')
  })

  it('change nothing else of the text, wherever they stand', () => {
    fc.assert(
      fc.property(
        fc.string().filter((t) => !/[`~]/.test(t)),
        fc.array(fc.nat(40), { maxLength: 5 }),
        (text, places) => {
          const clean = text.replaceAll('\uE000', '')
          const marked = insertAt(
            clean,
            places.map((at) => ({ at, text: '\uE000' })),
          )
          assert.equal(marked.replaceAll('\uE000', ''), clean)
          assert.equal(marked.length, clean.length + places.length)
        },
      ),
    )
  })
})

describe('heat', () => {
  const text = 'def retry(request):\n    """Waits, then tries again."""\n    return wait(request.delays)\n\nx = 1\n'

  it('lies on the lines that hold the words, by how much each word found', () => {
    const lines = lineHeat(text, [
      { word: 'retries', share: 0.75 },
      { word: 'waiting', share: 0.25 },
    ])
    assert.deepEqual(
      lines.map(({ heat }) => Math.round(heat * 100)),
      [100, 33, 33, 0, 0, 0],
    )
    assert.deepEqual(lines[0]?.words, ['retries'])
  })

  it('is cold everywhere when no word stands in the unit', () => {
    assert.ok(
      lineHeat(text, [{ word: 'banana', share: 1 }]).every(({ heat, words }) => heat === 0 && words.length === 0),
    )
  })

  it('names the hottest lines by their numbers in the file', () => {
    const { heat, lines } = heatOf(text, { ...unit('a.py', 2, 4), foundBy: [{ word: 'delay', share: 1 }] })
    assert.deepEqual(heat, [0, 1, 0])
    assert.deepEqual(lines, [{ line: 3, text: 'return wait(request.delays)', words: ['delay'] }])
  })

  it('has at most so many stretches, however long a unit is', () => {
    const { heat } = heatOf('retry\n'.repeat(5000), { ...unit('a', 1, 5000), foundBy: [{ word: 'retry', share: 1 }] })
    assert.ok(heat.length <= 48 && heat.every((value) => value === 1))
  })
})

describe('places', () => {
  it('are files, folders and lines', () => {
    const lies = (place: Parameters<typeof liesIn>[1][number]) => liesIn(unit('web/router.ts', 10, 20), [place])
    assert.deepEqual(
      [
        lies({ file: 'web/router.ts' }), lies({ file: 'web/' }), lies({ file: '/' }),
        lies({ file: 'web/router.ts', startLine: 20, endLine: 30 }), lies({ file: 'web/router.ts', startLine: 15 }),
      ],
      [true, true, true, true, true],
    ) // prettier-ignore
    assert.deepEqual(
      [
        lies({ file: 'web' }), lies({ file: 'we/' }), lies({ file: 'router.ts' }),
        lies({ file: 'web/router.ts', startLine: 21, endLine: 30 }), lies({ file: 'web/router.ts', startLine: 9 }),
      ],
      [false, false, false, false, false],
    ) // prettier-ignore
  })
})

describe('mentions', () => {
  const outline = [
    {
      file: 'web/router.ts',
      tokens: 1,
      units: [unit('', 3, 9, 'Router'), unit('', 10, 12, 'Router.match'), unit('', 1, 2)],
    },
    { file: 'web/my page.ts', tokens: 1, units: [] },
    { file: 'jobs/backoff.py', tokens: 1, units: [unit('', 1, 5, 'backoff_seconds')] },
  ]
  const all = [...mentionsIn(outline)]
  const labels = (typed: string) => complete(typed, all).map(({ label }) => label)

  it('are files, folders and symbols', () => {
    assert.deepEqual(all.map(({ kind, label }) => `${kind} ${label}`), [
      'file web/router.ts', 'file web/my_page.ts', 'file jobs/backoff.py', 'folder web/', 'folder jobs/',
      'symbol Router', 'symbol Router.match', 'symbol backoff_seconds',
    ]) // prettier-ignore
  })

  it('are completed by the start of a name first, and by letters in between last', () => {
    assert.deepEqual(labels('rou'), ['Router', 'Router.match', 'web/router.ts'])
    assert.deepEqual(labels('match'), ['Router.match'])
    assert.deepEqual(labels('wbrt'), ['web/router.ts'])
    assert.deepEqual(labels('zzz'), [])
  })

  it('are completed of a million things while others go on, and not when nobody waits any more', async () => {
    const symbols = Array.from({ length: 300_000 }, (_, i) => unit('', i, i, `Class.method_${i}`))
    const large = [{ file: 'a.ts', tokens: 1, units: symbols }, ...outline]
    let turns = 0
    const turn = setInterval(() => turns++, 1)
    const found = await completeAll('rout', large, new AbortController().signal)
    clearInterval(turn)
    assert.deepEqual(
      found.map(({ label }) => label),
      ['Router', 'Router.match', 'web/router.ts'],
    )
    assert.ok(turns > 1, `${turns} turns`)
    await rejects(completeAll('rout', large, AbortSignal.abort()), 'cancelled')
  })

  it('become names and places in the question', () => {
    const router = all.find(({ label }) => label === 'Router')!
    const page = all.find(({ label }) => label === 'web/my_page.ts')!
    assert.deepEqual(
      point('How does @Router use @web/my_page.ts?', [router, page], (name) => `Explain ${name}.`),
      {
        question: 'How does Router use web/my page.ts?',
        within: [{ file: 'web/my page.ts' }, { file: 'web/router.ts', startLine: 3, endLine: 9 }],
      },
    )
  })

  it('alone ask for an explanation', () => {
    const [router] = all
    assert.equal(point('@web/router.ts ?', [router!], (name) => `Explain ${name}.`).question, 'Explain web/router.ts.')
  })

  it('that are no longer in the text point at nothing', () => {
    assert.deepEqual(
      point('Why?', all, (name) => name),
      { question: 'Why?', within: undefined },
    )
  })

  it('of a selection leave its lines to the place', () => {
    const selection: Mention = { kind: 'selection', file: 'a.ts', startLine: 2, endLine: 4, label: 'a.ts:2-4' }
    assert.deepEqual(point('@a.ts:2-4 what is this for', [selection], String), {
      question: 'what is this for',
      within: [{ file: 'a.ts', startLine: 2, endLine: 4 }],
    })
  })
})

describe('a whole answer', () => {
  const reading = [unit('a.ts', 1, 5, 'First.run', 3), unit('b.ts', 7, 9, 'second', 5)]
  const result: AskResult = {
    answer: 'It runs. Then it stops.',
    citations: [
      { sentence: 1, weight: 1, file: 'b.ts', startLine: 7, endLine: 9 },
      { sentence: 0, weight: 1, file: 'a.ts', startLine: 1, endLine: 5 },
    ],
    reading,
    recalled: [...reading, ...Array.from({ length: 30 }, (_, i) => unit(`c${i}.ts`, 1, 2))],
    found: true,
    from: { way: 'afresh' },
    timings: { stream: 0, recall: 1, firstToken: 2, answer: 3, total: 4 },
  }
  const shown = turnResult(result, 'What?', false, new Map([['a.ts', 'run\n'.repeat(5)]]), fill)

  it('has its citations where their sentences end, in the order of the text', () => {
    assert.deepEqual(
      shown.citations.map(({ at, file, symbol }) => [at, file, symbol]),
      [
        [8, 'a.ts', 'First.run'],
        [23, 'b.ts', 'second'],
      ],
    )
  })

  it('tells the best units and which of them were read', () => {
    assert.equal(shown.found.length, 12)
    assert.deepEqual(shown.found.map(({ read }) => read).filter(Boolean), [true, true])
    assert.equal(shown.found[0]?.attention, 3)
  })

  it('suggests to go on from the best symbols', () => {
    assert.match(shown.followUps[0]!, /`second`/)
    assert.equal(new Set(shown.followUps).size, 3)
    assert.deepEqual(followUps([], 'x', fill), [])
    assert.ok(!followUps(reading, 'Where is `second` used?', fill).includes('Where is `second` used?'))
  })

  it('is exported as Markdown with footnotes that go on through the conversation', () => {
    const turn = (id: string): Turn => ({
      id, question: 'What\nhappens?', mentions: [], state: 'done', answer: result.answer, result: shown, asked: 0,
    }) // prettier-ignore
    const text = exportMarkdown({ id: 'x', turns: [turn('1'), { ...turn('2'), state: 'stopped' }] }, 'What?')
    assert.match(
      text,
      /^# What\?\n\n## What happens\?\n\nIt runs\.\[\^1\] Then it stops\.\[\^2\]\n\n\[\^1\]: `a\.ts:1-5`\n\[\^2\]: `b\.ts:7-9`\n/,
    )
    assert.match(text, /It runs\.\[\^3\] Then it stops\.\[\^4\]\n\n\*Stopped\.\*\n\n\[\^3\]/)
  })
})
