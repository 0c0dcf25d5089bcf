/** Figures that were taken in pieces are shown together, and only where they were asked the same. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  askedHash,
  chartOf,
  FigureFile,
  joinFigures,
  parseFigures,
  titleOf,
  type Figure,
} from '../bench/recall/figures'
import { evaluate } from '../bench/recall/metrics'
import { bench } from '../bench/recall/run'
import type { Ranker } from '../bench/recall/ranker'
import { temporaryFolder } from '../support/temp'

const figure = (ranker: string, rank: number, more: Partial<Figure> = {}): Figure => ({
  ...{ set: 'documentation', repository: 'one', ranker, asked: 'abc', machine: 'here', units: 9, seconds: 1 },
  evaluation: evaluate([{ unit: rank, file: 1 }]),
  ...more,
})

describe('figures in files', () => {
  it('are joined, later ones of the same ranker instead of earlier ones', () => {
    const joined = joinFigures([[figure('BM25', 4), figure('MiniLM', 2)], [figure('BM25', 1)]])
    assert.deepEqual(
      joined.map(({ ranker, evaluation }) => [ranker, evaluation.unit.mrr]),
      [
        ['BM25', 1],
        ['MiniLM', 0.5],
      ],
    )
  })

  it('are refused where rankers were asked other questions', () => {
    const [one, other] = [figure('BM25', 1), figure('MiniLM', 1, { asked: 'other' })]
    assert.throws(() => joinFigures([[one], [other]]), /asked other questions/)
    assert.equal(joinFigures([[one], [{ ...other, repository: 'two' }]]).length, 2)
  })

  it('are a picture with bars for every ranker and question set', () => {
    const sets = [
      figure('BM25', 2),
      figure('Longread', 1),
      figure('Longread', 4, { set: 'by hand' }),
      figure('BM25', 3, { set: 'of others' }),
    ]
    const svg = chartOf(sets, titleOf(sets))
    assert.match(svg, /by hand: unit MRR/)
    assert.match(svg, />0\.25</)
    assert.match(svg, /: 3 questions, 1 repositories/)
    // What was not measured has no bar, and is no 0.
    assert.equal(svg.match(/class="bar/g)?.length, 6)
    assert.equal(svg.match(/>–</g)?.length, 2)
    assert.doesNotMatch(svg, /of others/)
    assert.match(chartOf(sets.slice(3), ''), /of others/)
  })

  it('leave out a line that was cut short, and no other', () => {
    const line = JSON.stringify(figure('BM25', 2))
    assert.equal(parseFigures(`${line}\n${line.slice(0, 20)}`).length, 1)
    assert.throws(() => parseFigures(`${line.slice(0, 20)}\n${line}\n`), /Line 1 is no figure/)
  })

  it('tell questions and units apart', () => {
    const question = { question: 'Where?', file: 'a.py', symbol: 'f', startLine: 1, endLine: 2 }
    const unit = { file: 'a.py', symbol: 'f', startLine: 1, endLine: 2, kind: 'function', text: 'x' } as const
    const hash = askedHash([question], [unit])
    assert.equal(askedHash([{ ...question }], [{ ...unit, text: 'y' }]), hash)
    assert.notEqual(askedHash([{ ...question, question: 'Who?' }], [unit]), hash)
    assert.notEqual(askedHash([question], [{ ...unit, endLine: 3 }]), hash)
  })

  it('are measured once: a broken-off run goes on where it was', async () => {
    const folder = temporaryFolder()
    const [root, file] = [join(folder, 'tree'), join(folder, 'figures.jsonl')]
    const questions = join(folder, 'asked.jsonl')
    writeFileSync(questions, `${JSON.stringify({ question: 'Where is b?', file: 'b.py' })}\n`)
    mkdirSync(root)
    for (const name of ['a', 'b']) writeFileSync(join(root, `${name}.py`), `def ${name}():\n    return 1\n`)
    let asked = 0
    const ranker: Ranker = {
      name: 'counted',
      rank: (all, units) => {
        asked++
        const scores = all.map(() => Float32Array.from(units, ({ file: of }) => (of === 'b.py' ? 1 : 0)))
        return Promise.resolve({ scores, seconds: 1 })
      },
    }
    const run = async () =>
      bench({ what: [root], rankers: [() => ranker], questions, out: await FigureFile.open(file) })
    const [first] = await run()
    appendFileSync(file, '{"set":"asked","cut')
    const [second] = await run()
    assert.equal(asked, 1)
    assert.deepEqual(second, first)
    assert.equal(first?.evaluation.unit.mrr, 1)
    assert.equal(first.set, 'asked')
    assert.equal(parseFigures(readFileSync(file, 'utf8')).length, 1)
    writeFileSync(questions, `${JSON.stringify({ question: 'Where is a?', file: 'a.py' })}\n`)
    const [changed] = await run()
    assert.equal(asked, 2)
    assert.equal(changed?.evaluation.unit.mrr, 0.5)
  })
})
