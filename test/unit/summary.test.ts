/** A summary: what its sections find in the code, how what is told is cited, and that it goes on where it was broken off. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { depthOf, drawArchitecture, folderImports } from '../../extension/answer/summary/architecture'
import { entryPoints, mainTypes, risks } from '../../extension/answer/summary/found'
import { runSummary } from '../../extension/answer/summary/keeper'
import { relinked } from '../../extension/answer/summary/links'
import { heldIn, makeSection, sectionIds, summaryText } from '../../extension/answer/summary/summarize'
import { cite, type Repository, type SummaryTools } from '../../extension/answer/summary/types'
import type { AskRequest, AskResult, HeldFile, Place, SectionId } from '../../extension/protocol/types'
import { references, unitsAndReferences } from '../../extension/workspace/units'
import { usualReading } from '../../extension/infllm/choice'
import { temporaryFolder } from '../support/temp'

const files: Readonly<Record<string, string>> = {
  'README.md': '# Lantern\n\nRuns jobs.\n',
  'src/jobs/store.py':
    'class JobStore:\n    def enqueue(self, payload):\n        return payload\n\n\nclass Unused:\n    pass\n',
  'src/jobs/worker.py':
    'from .store import JobStore\n\n\ndef work():\n    return JobStore().enqueue(1)  # TODO: retry\n',
  'src/web/page.py':
    'from jobs.store import JobStore\nfrom jobs.worker import work\n\n\ndef page():\n    return JobStore()\n',
  'src/app.py': 'from web.page import page\n\n\nif __name__ == "__main__":\n    page()\n',
  'tests/test_store.py':
    'from src.jobs.store import JobStore\n\n\nclass TestStore:\n    def test_it(self):\n        JobStore()\n',
}

const repository = async (): Promise<Repository> => {
  const outline: HeldFile[] = []
  const found = new Map<string, Awaited<ReturnType<typeof references>>>()
  for (const [file, text] of Object.entries(files)) {
    const { units, references: own } = await unitsAndReferences(file, text)
    outline.push({ file, tokens: text.length, units })
    found.set(file, own)
  }
  return { outline, folder: '', references: found }
}

const answer = (text: string): AskResult => ({
  answer: text,
  citations: [{ sentence: 0, weight: 1, file: 'README.md', startLine: 3, endLine: 3 }],
  reading: [],
  recalled: [],
  found: true,
  from: { way: 'afresh' },
  timings: { stream: 0, recall: 0, firstToken: 0, answer: 0, total: 0 },
})

describe('a summary', () => {
  let asked: { question: string; within: readonly Place[] | undefined }[]
  const tools: SummaryTools = {
    ask: (question, within) => {
      asked.push({ question, within })
      return Promise.resolve(answer('It <b>runs</b> jobs. And ![more](x).'))
    },
    recall: (question) => Promise.resolve({ question, units: [], files: [], ms: 0 }),
    text: (file) => Promise.resolve(files[file] ?? ''),
    references: (file) => references(file, files[file] ?? ''),
  }
  beforeEach(() => (asked = []))

  it('draws which folders import which, with a line that does', async () => {
    const all = await repository()
    assert.deepEqual(
      folderImports(all)
        .map(({ from, to, count, file, line }) => `${from} ${to} ${count} ${file}:${line}`)
        .sort(),
      ['src src/web 1 src/app.py:1', 'src/web src/jobs 2 src/web/page.py:1', 'tests src/jobs 1 tests/test_store.py:1'],
    )
    const drawing = drawArchitecture(all)
    assert.match(drawing, /^```mermaid\nflowchart LR\n/)
    assert.match(drawing, /"src\/jobs \(2\)"/)
    assert.match(drawing, /`src\/web` → `src\/jobs`: 2, \[src\/web\/page\.py:1\]\(src\/web\/page\.py#L1\)/)
  })

  it('of a folder draws what lies in it, and counts uses from everywhere', async () => {
    const all = await repository()
    const folder = 'src/'
    const part = { ...all, outline: heldIn(all.outline, folder), folder }
    assert.doesNotMatch(drawArchitecture(part), /tests|README/)
    assert.match(drawArchitecture(part), /"src\/jobs \(2\)"/)
    assert.deepEqual(
      mainTypes(part).find(({ symbol }) => symbol === 'JobStore')?.uses,
      mainTypes(all).find(({ symbol }) => symbol === 'JobStore')?.uses,
    )
    const { markdown } = await makeSection('entries', all.outline, 'src/jobs/', tools)
    assert.doesNotMatch(markdown, /app\.py/)
  })

  it('saved elsewhere leads to the same lines', () => {
    const place = cite({ file: 'src/a b(1).ts', startLine: 3, endLine: 4 })
    const text = `See ${place} and [this](https://x.org/#L1).`
    assert.equal(relinked(text, '/r', '/r'), text)
    const moved = relinked(text, '/r', '/r/docs/deep')
    assert.match(moved, /\]\(\.\.\/\.\.\/src\/a%20b%281%29\.ts#L3\)/)
    assert.match(moved, /\]\(https:\/\/x\.org\/#L1\)/)
  })

  it('goes as many folders deep as tell the parts apart', () => {
    assert.equal(depthOf(['a/x', 'b/x', 'c/x']), 1)
    assert.equal(depthOf(['src/a/x', 'src/b/x', 'src/c/x', 'README']), 2)
    const many = Array.from({ length: 60 }, (_, i) => `src/pack/${i}`)
    assert.equal(depthOf([...many, 'src/pack/a/x', 'src/pack/b/x', 'README']), 3)
  })

  it('draws a few files that all lie in one folder one by one', async () => {
    const { references: read, ...rest } = await repository()
    const flat = rest.outline.filter(({ file }) => file.startsWith('src/jobs/'))
    const drawing = drawArchitecture({ ...rest, references: read, outline: flat, folder: 'src/jobs/' })
    for (const { file } of flat) assert.ok(drawing.includes(`["${file}"]`), file)
  })

  it('finds what is started, and the types that others use most', async () => {
    const all = await repository()
    assert.equal(await entryPoints(all, tools), '- [src/app.py:4](src/app.py#L4): `if __name__ == "__main__":`')
    const [first] = mainTypes(all)
    assert.equal(first?.symbol, 'JobStore')
    assert.equal(first.uses, 3)
    assert.ok(mainTypes(all).every(({ symbol }) => symbol !== 'TestStore'))
  })

  it('names what was left to do, with its line', async () => {
    assert.match(
      await risks(await repository(), tools),
      /1 notes of things left to do:\n {2}- \[src\/jobs\/worker\.py:5\]\(src\/jobs\/worker\.py#L5\)/,
    )
  })

  it('quotes the purpose and how to run it where they are written, with their lines', async () => {
    const texts: Record<string, string> = {
      'README.md':
        '# Lantern\n\n[![badge](x)](y)\n\nRuns jobs\nin order.\n\n## Start\n\nRun it:\n\n```sh\npython -m jobs\n```\n\n## Licence\n\nMIT\n',
      'package.json': '{\n  "scripts": {\n    "test": "mocha"\n  }\n}\n',
    }
    const outline = Object.keys(texts).map((file) => ({ file, tokens: 1, units: [] }))
    const own = { ...tools, text: (file: string) => Promise.resolve(texts[file] ?? '') }
    assert.equal(
      (await makeSection('purpose', outline, '', own)).markdown,
      '> Runs jobs\n> in order.\n>\n> [README.md:5-6](README.md#L5)',
    )
    assert.equal(
      (await makeSection('run', outline, '', own)).markdown,
      '> Run it:\n>\n> [README.md:10](README.md#L10)\n\n> ```sh\n> python -m jobs\n> ```\n>\n> [README.md:12-14](README.md#L12)\n\n- `npm run test` [package.json:3](package.json#L3)',
    )
    assert.deepEqual(asked, [])
  })

  it('asks where nothing is written, and cites each sentence', async () => {
    const { markdown } = await makeSection('purpose', [], '', tools)
    assert.equal(asked.length, 1)
    assert.equal(markdown, 'It <\u200bb>runs<\u200b/b> jobs. [README.md:3](README.md#L3) And !\u200b[more]\u200b(x).')
  })

  it('links to files whatever their names are', () => {
    assert.equal(
      cite({ file: 'a [1] (x).md', startLine: 2, endLine: 4 }),
      '[a \\[1\\] (x).md:2-4](a%20%5B1%5D%20%28x%29.md#L2)',
    )
  })

  describe('that is broken off', () => {
    const run = async (
      folder: string,
      failAt: SectionId | undefined,
      outline: readonly HeldFile[] = [],
      reading?: AskRequest['reading'],
    ) => {
      const made: SectionId[] = []
      const shown: number[] = []
      const make = (id: SectionId) => {
        if (id === failAt) return Promise.reject(new Error('stopped'))
        made.push(id)
        return Promise.resolve({ id, title: id, markdown: `About ${id}.` })
      }
      const ended = runSummary({
        root: '/r',
        outline,
        model: 'm',
        reading,
        folder,
        make,
        onSections: (all) => shown.push(all.length),
      })
      const sections = await ended.catch(() => undefined)
      return { made, shown, sections }
    }

    it('goes on where it was, and is the same in the end', async () => {
      const folder = temporaryFolder()
      const first = await run(folder, 'types')
      assert.deepEqual(first.made, ['purpose', 'run', 'architecture', 'entries'])
      const second = await run(folder, undefined)
      assert.deepEqual(second.made, ['types', 'flow', 'changes', 'risks'])
      assert.deepEqual(second.shown, [1, 2, 3, 4, 5, 6, 7, 8])
      assert.deepEqual(second.sections, (await run(temporaryFolder(), undefined)).sections)
      assert.equal(readdirSync(folder).length, 1)
    })

    it('begins anew when the files have changed', async () => {
      const folder = temporaryFolder()
      await run(folder, 'types')
      const { made } = await run(folder, undefined, [{ file: 'new', tokens: 1, units: [] }])
      assert.deepEqual(made, sectionIds)
      assert.equal(readdirSync(folder).length, 1, 'what older files said is not kept')
    })

    it('begins anew when its answers are to come from elsewhere', async () => {
      const folder = temporaryFolder()
      await run(folder, undefined)
      const ways = ['afresh', usualReading, { ...usualReading, choose: 'layers' }, undefined] as const
      for (const reading of ways) {
        assert.deepEqual((await run(folder, undefined, [], reading)).made, sectionIds)
        assert.deepEqual((await run(folder, undefined, [], reading)).made, [])
      }
    })
  })

  it('is one document', () => {
    assert.equal(
      summaryText('x', [
        { id: 'run', title: 'Run', markdown: 'So.\n' },
        { id: 'risks', title: 'Risks', markdown: 'None.' },
      ]),
      '# x\n\n## Run\n\nSo.\n\n## Risks\n\nNone.\n',
    )
  })

  it('says at its end where what the model told came from', () => {
    const afresh = { way: 'afresh' } as const
    const text = summaryText('x', [
      { id: 'run', title: 'Run', markdown: 'So.', from: afresh },
      { id: 'types', title: 'Types', markdown: 'X.', from: afresh },
      { id: 'flow', title: 'Flow', markdown: 'There.', from: { way: 'memory', asked: true } },
      { id: 'risks', title: 'Risks', markdown: 'None.' },
    ])
    const [first, second] = text.split('\n\n').slice(-2)
    assert.match(first!, /^\*Run, Types: answered from units found and read afresh;.*\*$/)
    assert.match(second!, /^\*Flow: answered from keys and values of all that was read, as asked;.*\*\n$/)
  })
})
