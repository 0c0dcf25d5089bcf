/**
 * The questions written by hand: each is answered by a function of the corpus, and shares no content word with it. The corpus
 * is fetched by the bench, not by the tests; a repository that is not in the cache is left out.
 */
import * as assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { cacheFolder, readRepositories, sourceFile } from '../bench/corpus/repositories'
import { documentOf } from '../bench/recall/bm25'
import { readAsked, resolveQuestions } from '../bench/recall/hand-written'
import { goldUnits } from '../../extension/recall/calibration/questions'
import { contentStems, sharedWords } from '../bench/recall/shared-words'
import { prepare } from '../bench/recall/prepare'
import { loadUnits } from '../bench/recall/workspace'
import { temporaryFolder } from '../support/temp'

const file = sourceFile('test/bench/recall/words-not-shared.jsonl')

describe('files of questions and folders that cannot be read', () => {
  const questions = path.join(temporaryFolder(), 'questions.jsonl')

  it('are one error that names them', async () => {
    await assert.rejects(readAsked(questions), { code: 'usage', message: /questions\.jsonl cannot be read/ })
    await assert.rejects(prepare('no-such-folder'), { code: 'usage', message: /"no-such-folder" is no repository/ })
    await assert.rejects(prepare(__filename), { code: 'usage', message: /no folder either/ })
  })

  it('are told by line, where a line is no question', async () => {
    for (const bad of ['{"question":', '{"question":"Where?"}', '7']) {
      writeFileSync(questions, `{"question":"Where?","file":"a.py"}\n${bad}\n`)
      await assert.rejects(readAsked(questions), { code: 'usage', message: /questions\.jsonl:2 is no JSON object/ })
    }
  })
})

describe('shared words', () => {
  it('are found through identifiers and endings', () => {
    assert.deepEqual(sharedWords('How are the connections closed?', 'def closeConnection(self)'), [
      'connections',
      'closed',
    ])
    assert.deepEqual(sharedWords('How are links cut?', 'def closeConnection(self)'), [])
  })

  it('are not those of grammar', () => {
    assert.deepEqual([...contentStems('Where is it that we do this?')], [])
  })
})

describe('questions that share no words with their answers', () => {
  const repositories = readRepositories()

  it('are sixty or more, over five repositories or more, most of them of the test split', async () => {
    const asked = await readAsked(file)
    const names = new Set(asked.map(({ repository }) => repository))
    const split = new Map(repositories.map((repository) => [repository.name, repository.split]))
    const ofTest = asked.filter(({ repository = '' }) => split.get(repository) === 'test')
    assert.ok(asked.length >= 60)
    assert.ok(names.size >= 5)
    assert.ok(ofTest.length > asked.length / 2)
    assert.ok([...names].every((name) => split.has(name ?? '') && split.get(name ?? '') !== 'calibration'))
    assert.equal(new Set(asked.map(({ question }) => question)).size, asked.length)
  })

  const text = readFileSync(file, 'utf8')
  for (const { name } of repositories.filter(({ name }) => text.includes(`"repository":"${name}"`))) {
    it(`are answered in ${name} by units without any of their words`, async function () {
      const asked = (await readAsked(file)).filter(({ repository }) => repository === name)
      const tree = path.join(cacheFolder(), 'recall', name, 'tree')
      if (!existsSync(tree)) this.skip()
      const units = await loadUnits(tree)
      for (const question of await resolveQuestions(asked, tree)) {
        const gold = [...goldUnits(question, units)].map((index) => documentOf(units[index]!))
        assert.notEqual(gold.length, 0, question.symbol)
        const shared = sharedWords(question.question, `${gold.join('\n')}\n${question.symbol}`)
        assert.deepEqual(shared, [], question.question)
      }
    })
  }
})
