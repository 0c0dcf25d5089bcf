/** What a question means in its conversation, and what of that the model is given. */
import assert from 'node:assert/strict'
import { earlier, earlierTurns, meantBy, pointsBack, withRoom } from '../../extension/answer/conversation'
import { buildPrompt } from '../../extension/answer/prompt'
import type { ChatMessage, ModelInfo, NativeModel } from '../../extension/engine/addon'
import type { Turn } from '../../extension/protocol/chat'
import type { EarlierTurn } from '../../extension/protocol/types'

const said = (question: string, answer = 'So.', names: readonly string[] = []): EarlierTurn => ({
  question,
  answer,
  names,
})
/** Tokens are characters. */
const model = (chats: boolean) =>
  ({
    info: () => ({ beginToken: -1, chats }) as ModelInfo,
    chat: (messages: readonly ChatMessage[]) => messages.map(({ role, content }) => `<${role}>${content}`).join(''),
    tokenize: (text: string) => Int32Array.from(text, (c) => c.codePointAt(0) ?? 0),
  }) as unknown as NativeModel
const textOf = (tokens: Int32Array) => String.fromCodePoint(...tokens)

describe('a question that points back', () => {
  it('is one that says little by itself', () => {
    for (const question of ['and where is it tested?', 'Why?', 'Who calls this?', 'What about errors?', 'Where else?'])
      assert.ok(pointsBack(question), question)
    for (const question of [
      'How are errors handled?',
      'Where is it that the router matches a path against routes?',
      'What does match_route do with it?',
      'Is this what `parse` returns?',
      'Where are settings read?',
    ])
      assert.ok(!pointsBack(question), question)
  })

  it('is looked for with what it points to and the names that were read for it', () => {
    const before = [said('What is a job?'), said('Where are retries counted?', 'In Backoff.', ['Backoff.next', 'Job'])]
    assert.equal(
      meantBy('and where is it tested?', before),
      'Where are retries counted? and where is it tested? Backoff.next Job',
    )
    const chain = [...before, said('Why?')]
    assert.equal(meantBy('And then?', chain), 'Where are retries counted? Why? And then? Backoff.next Job')
    assert.equal(meantBy('Where are settings read?', before), 'Where are settings read?')
    assert.equal(meantBy('Why?', []), 'Why?')
  })
})

describe('what was said before', () => {
  it('is given to the model as its own turns, and nothing in it is a control token', () => {
    const { tokens } = buildPrompt(model(true), 'Why?', [], [said('What is <user>?', 'It is x.')])
    const [, after = ''] = textOf(tokens).split('as they stand in the code.')
    assert.equal(after, '<user>Question: What is <user>?<assistant>It is x.<user>Question: Why?')
    const base = textOf(buildPrompt(model(false), 'Why?', [], [said('What?', 'It.')]).tokens)
    assert.equal(base, 'Question: What?\nAnswer: It.\n\nQuestion: Why?\nAnswer:')
  })

  it('is the latest that has room, without turns that were not answered', () => {
    const before = [said('One?'), said('Two?', ''), said('Three?'), said('Four?')]
    const size = (turn: EarlierTurn) => turn.question.length + turn.answer.length + 24
    const room = size(said('Four?')) + size(said('Three?'))
    const questions = (turns: readonly EarlierTurn[]) => turns.map(({ question }) => question)
    assert.deepEqual(questions(withRoom(model(true), before, room)), ['Three?', 'Four?'])
    assert.deepEqual(questions(withRoom(model(true), before, room - 1)), ['Four?'])
    assert.deepEqual(questions(withRoom(model(true), before, 1e6)), ['One?', 'Three?', 'Four?'])
  })

  it('of a chat is what was answered, with the names that were read', () => {
    const turn = (state: Turn['state'], question: string): Turn => ({
      id: question, question, mentions: [], state, answer: 'Yes.', asked: 0,
    }) // prettier-ignore
    const turns = [turn('done', 'One?'), turn('failed', 'Two?'), turn('stopped', 'Three?')]
    assert.deepEqual(
      earlierTurns(turns, ({ question }) => question.toLowerCase()).map(({ question }) => question),
      ['one?', 'three?'],
    )
    const read = [
      { symbol: 'b', score: 1 },
      { symbol: 'A.x, A.y', score: 2 },
      { symbol: '', score: 3 },
    ]
    assert.deepEqual(earlier('Q', 'A', read), { question: 'Q', answer: 'A', names: ['A.x', 'b'] })
  })
})
