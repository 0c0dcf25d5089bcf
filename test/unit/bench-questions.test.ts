/**
 * Which documentation becomes a question, which questions are kept, and what a repository made ready for the bench holds.
 */
import * as assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { asksNothing, sample, unambiguous } from '../../extension/recall/calibration/questions'
import { stripFile } from '../../extension/recall/calibration/strip'
import { stripRepository, writeStripped } from '../bench/recall/questions'

describe('questions', () => {
  const ask = async (documentation: string): Promise<string | undefined> => {
    const { definitions } = await stripFile('a.py', `def f():\n    """${documentation}"""\n    return 1\n`)
    return definitions[0]?.question
  }

  it('are as many whole sentences as forty words hold', async () => {
    const long = `${'word '.repeat(30).trim()}. ${'More '.repeat(20).trim()}.`
    assert.equal(await ask(long), `${'word '.repeat(30).trim()}.`)
    assert.equal(await ask(`${'word '.repeat(50).trim()}.`), undefined)
  })

  it('are not made from too little, nor from what points elsewhere', async () => {
    assert.equal(await ask('Returns it now.'), undefined)
    assert.equal(await ask('Deprecated since the last of the versions.'), undefined)
    assert.equal(await ask('See the other function for what happens.'), undefined)
    assert.equal(await ask(':param x: what is to be done with it'), undefined)
  })

  it('are dropped when several functions are documented alike', () => {
    const at = { file: 'a.py', symbol: 'a', startLine: 1, endLine: 2 }
    const questions = ['Closes the file now.', 'closes the file now', 'Opens the file now.']
    const kept = unambiguous(questions.map((question) => ({ question, ...at })))
    assert.deepEqual(
      kept.map(({ question }) => question),
      ['Opens the file now.'],
    )
  })

  it('are sampled alike for the same seed, and otherwise for another', () => {
    const population = Array.from({ length: 100 }, (_, index) => index)
    assert.deepEqual(sample(population, 10, 1), sample(population, 10, 1))
    assert.notDeepEqual(sample(population, 10, 1), sample(population, 10, 2))
    assert.equal(new Set(sample(population, 10, 1)).size, 10)
    assert.deepEqual(sample(population, 1000, 1), population)
  })

  it('are not asked of tests, examples and what came from elsewhere', () => {
    for (const file of [
      'tests/a.py',
      'pkg/test/a.py',
      'a_test.go',
      'src/a.spec.ts',
      'vendor/a.go',
      'examples/a.rs',
      'src/ATest.java',
    ]) {
      assert.ok(asksNothing(file), file)
    }
    for (const file of ['src/flask/testing.py', 'src/latest.ts', 'lib/contest/a.js'])
      assert.ok(!asksNothing(file), file)
  })
})

describe('a stripped repository', () => {
  let folder = ''
  beforeEach(async () => void (folder = await mkdtemp(path.join(os.tmpdir(), 'longread-bench-'))))
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('holds tests and documents, asks about neither, and is written as files and questions', async () => {
    const root = path.join(folder, 'repository')
    const source = 'def f():\n    """Says hello to the world."""\n    return 1\n'
    const files: Record<string, string> = {
      'a.py': source,
      'tests/b.py': source.replace('hello', 'goodbye'),
      'README.md': '# Hello\n',
      'a.egg-info/PKG-INFO': 'Name: a\n',
      'picture.bin': 'a\0b',
    }
    for (const [file, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true })
      await writeFile(path.join(root, file), text)
    }
    const stripped = await stripRepository(root)
    const bare = 'def f():\n    return 1\n'
    assert.deepEqual(stripped.files, [
      { file: 'README.md', text: '# Hello\n' },
      { file: 'a.py', text: bare },
      { file: 'tests/b.py', text: bare },
    ])
    const question = { question: 'Says hello to the world.', file: 'a.py', symbol: 'f', startLine: 1, endLine: 2 }
    assert.deepEqual(stripped.questions, [question])

    await writeStripped(stripped, path.join(folder, 'out'))
    assert.equal(await readFile(path.join(folder, 'out', 'tree', 'tests', 'b.py'), 'utf8'), bare)
    assert.deepEqual(JSON.parse(await readFile(path.join(folder, 'out', 'questions.jsonl'), 'utf8')), question)
  })
})
