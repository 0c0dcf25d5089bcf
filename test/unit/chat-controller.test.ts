/** A chat: what a question, a stop, an edit, a restart do to the conversation, what the page is told, and what is kept on disk. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CallOptions } from '../../extension/engine/client'
import type { AskWhat, SessionState } from '../../extension/engine/workspace-session'
import { cancelled, LongreadError } from '../../extension/errors'
import type { Conversation, Mention, ToChat, Turn } from '../../extension/protocol/chat'
import type { AskResult } from '../../extension/protocol/types'
import { ChatController, type ChatHost } from '../../extension/views/chat/controller'
import { History } from '../../extension/views/chat/history'
import { coverageOf } from '../../extension/views/chat/session-view'
import { temporaryFolder } from '../support/temp'

const soon = () => new Promise((resolve) => setTimeout(resolve, 20))
const result: AskResult = {
  answer: 'It runs.',
  citations: [],
  reading: [],
  recalled: [],
  found: true,
  from: { way: 'afresh' },
  timings: { stream: 0, recall: 0, firstToken: 0, answer: 0, total: 0 },
}
const held = {
  files: 2, skipped: [], units: 3, tokens: 4, seconds: 1, tokensPerSecond: 1, memoryBytes: 5, reused: 0, tokensRead: 0,
} // prettier-ignore

class Asked {
  settle!: (result: AskResult) => void
  fail!: (error: Error) => void
  readonly done = new Promise<AskResult>((resolve, reject) => {
    this.settle = resolve
    this.fail = reject
  })
  constructor(
    readonly what: AskWhat,
    readonly options: CallOptions,
  ) {
    options.signal?.addEventListener('abort', () => this.fail(cancelled()))
  }
}

describe('a chat', () => {
  let asked: Asked[]
  let posted: ToChat[]
  let did: string[]
  let state: SessionState
  let typed: string[]
  let folder: string
  let chat: ChatController
  const last = () => asked.at(-1)!
  const turns = () => chat.current.turns
  const types = () => posted.map(({ type }) => type)

  const make = () => {
    const session = {
      get state() {
        return state
      },
      ask: (what: AskWhat, options: CallOptions = {}) => {
        const call = new Asked(what, options)
        asked.push(call)
        return call.done
      },
      texts: (files: readonly string[]) => Promise.resolve(files.map(() => '')),
      complete: (text: string) => {
        typed.push(text)
        return Promise.resolve([{ kind: 'file', file: 'web/router.ts', label: 'web/router.ts' } as const])
      },
    }
    const note = (what: string) => () => {
      did.push(what)
      return Promise.resolve()
    }
    const host: ChatHost = {
      t: (message, ...args) => message.replace(/\{(\d)\}/g, (_, i: string) => String(args[Number(i)])),
      post: (message) => posted.push(message),
      folder: (uri) => (uri === 'file:///gone' ? undefined : { uri: uri ?? 'file:///a', name: 'a', session }),
      settings: () => ({ sampling: { temperature: 0, topP: 1, seed: 0, maxTokens: 10 }, readingTokens: 100 }),
      noFolder: () => 'Open a folder to ask about it.',
      failure: (thrown) => ({ message: (thrown as Error).message, remedy: 'showLog' }),
      selection: () => undefined,
      open: note('open'),
      highlight: note('highlight'),
      code: note('code'),
      copy: note('copy'),
      save: (markdown) => {
        did.push(markdown)
        return Promise.resolve()
      },
      run: note('run'),
      used: () => undefined,
    }
    return new ChatController(host, new History(folder))
  }

  beforeEach(() => {
    asked = []
    posted = []
    did = []
    state = { kind: 'ready', held }
    typed = []
    folder = temporaryFolder()
    chat = make()
  })

  const ask = async (text: string, mentions: readonly Mention[] = []) => {
    const done = chat.receive({ type: 'ask', text, mentions })
    await soon()
    return done
  }
  const answered = async (text: string) => {
    const done = ask(text)
    await soon()
    await soon()
    last().settle(result)
    await done
  }

  it('streams an answer and ends with what the engine gave', async () => {
    const done = ask('How?')
    await soon()
    last().options.onProgress?.({ phase: 'rerank', done: 1, total: 2, unit: 'units', rate: 1 })
    last().options.onText?.('It ')
    last().options.onText?.('runs.')
    assert.equal(turns()[0]?.answer, 'It runs.', 'a page that is opened now shows it')
    last().settle(result)
    await done
    assert.deepEqual(types(), ['turn', 'doing', 'text', 'text', 'turn'])
    assert.equal(turns()[0]?.state, 'done')
  })

  it('asks with what was said before, and again without what came after', async () => {
    await answered('Where are routes kept?')
    await answered('Why?')
    const before = () => last().what.before?.map(({ question, answer }) => [question, answer])
    assert.deepEqual(before(), [['Where are routes kept?', 'It runs.']])
    const [, second] = turns()
    const again = chat.receive({ type: 'regenerate', turn: second?.id ?? '' })
    await soon()
    assert.deepEqual(before(), [['Where are routes kept?', 'It runs.']])
    last().settle(result)
    await again
  })

  it('stops at once and keeps what was said', async () => {
    const done = ask('How?')
    await soon()
    last().options.onText?.('It ')
    await chat.receive({ type: 'stop' })
    await done
    assert.deepEqual([turns()[0]?.state, turns()[0]?.answer], ['stopped', 'It '])
  })

  it('begins an answer anew when the engine was started again', async () => {
    const done = ask('How?')
    await soon()
    last().options.onText?.('It wa')
    last().options.onRestart?.()
    last().options.onText?.('It runs.')
    assert.equal(turns()[0]?.answer, 'It runs.')
    last().settle(result)
    await done
  })

  it('shows an error where the answer would be, with what mends it', async () => {
    const done = ask('How?')
    await soon()
    last().fail(new LongreadError('too-long', 'Too long.'))
    await done
    assert.deepEqual(turns()[0]?.error, { message: 'Too long.', remedy: 'showLog' })
  })

  it('stops one answer for the next question', async () => {
    void ask('First?')
    await soon()
    const second = ask('Second?')
    await soon()
    last().settle(result)
    await second
    assert.deepEqual(
      turns().map(({ question, state: how }) => [question, how]),
      [
        ['First?', 'stopped'],
        ['Second?', 'done'],
      ],
    )
  })

  it('asks an edited question in place of the old one and of all that followed', async () => {
    await answered('One?')
    await answered('Two?')
    const done = chat.receive({ type: 'edit', turn: turns()[0]!.id, text: 'Other?', mentions: [] })
    await soon()
    last().settle(result)
    await done
    assert.deepEqual(
      turns().map(({ question }) => question),
      ['Other?'],
    )
  })

  it('answers again with a seed of its own, since greedy would say the same', async () => {
    await answered('One?')
    const done = chat.receive({ type: 'regenerate', turn: turns()[0]!.id })
    await soon()
    assert.ok(last().what.sampling.temperature > 0 && last().what.sampling.seed > 0)
    last().settle(result)
    await done
    assert.equal(turns().length, 1)
  })

  it('asks about what is mentioned only', async () => {
    void ask('What is @web/router.ts for?', [{ kind: 'file', file: 'web/router.ts', label: 'web/router.ts' }])
    await soon()
    assert.deepEqual(last().what.within, [{ file: 'web/router.ts' }])
    assert.equal(last().what.question, 'What is web/router.ts for?')
    chat.dispose()
  })

  it('says when an answer came before all was read', async () => {
    state = { kind: 'reading', progress: undefined, held: undefined }
    await answered('How?')
    assert.equal(turns()[0]?.result?.partial, true)
  })

  it('completes mentions from what is held, and of what is typed meanwhile the last alone', async () => {
    await Promise.all(
      ['r', 'ro', 'rou', 'rout'].map((text, id) => chat.receive({ type: 'complete', id: id + 1, text })),
    )
    assert.deepEqual(typed, ['r', 'rout'])
    const items = posted.flatMap((message) => (message.type === 'mentions' ? [message] : []))
    assert.deepEqual(
      items.map(({ id, items: [first] }) => [id, first?.label]),
      [
        [1, 'web/router.ts'],
        [4, 'web/router.ts'],
      ],
    )
    await chat.receive({ type: 'complete', id: 9, text: 'x' })
    assert.deepEqual(typed, ['r', 'rout', 'x'])
  })

  it('goes on after a restart where it was, and an answer that was being given has stopped', async () => {
    await answered('One?')
    void ask('Two?')
    await soon()
    last().options.onText?.('It ')
    const again = make()
    await again.restore()
    assert.deepEqual(
      again.current.turns.map(({ question, state: how }) => [question, how]),
      [
        ['One?', 'done'],
        ['Two?', 'stopped'],
      ],
    )
    chat.dispose()
  })

  it('tells the page everything when it is ready, and of the session only from then on', async () => {
    chat.sessionChanged()
    assert.deepEqual(types(), [])
    await chat.receive({ type: 'ready' })
    chat.sessionChanged()
    assert.deepEqual(types(), ['state', 'session'])
  })

  it('exports the conversation', async () => {
    await answered('One?')
    await chat.receive({ type: 'run', command: 'export' })
    assert.match(did[0]!, /^# One\?\n\n## One\?\n\nIt runs\./)
  })

  it('forgets a conversation for good, also the one that is shown', async () => {
    await answered('One?')
    await chat.receive({ type: 'forget', conversation: chat.current.id })
    assert.deepEqual(turns(), [])
    assert.deepEqual(readdirSync(folder), [])
  })

  it('says what to do where no folder is open', async () => {
    writeFileSync(
      join(folder, 'x.json'),
      JSON.stringify({
        folder: 'file:///gone',
        turns: [{ id: 'a', question: 'Q', mentions: [], state: 'done', answer: '', asked: 1 }],
      }),
    )
    await chat.receive({ type: 'load', conversation: 'x' })
    await ask('How?')
    assert.match(turns().at(-1)?.error?.message ?? '', /Open a folder/)
  })
})

describe('the history of chats', () => {
  const turn = (question: string, answer: string, asked: number): Turn => ({
    id: question, question, answer, asked, mentions: [], state: 'done',
  }) // prettier-ignore
  const conversation = (id: string, ...all: Turn[]): Conversation => ({ id, turns: all })

  it('is sorted by time and searched by words of questions and answers', async () => {
    const history = new History(temporaryFolder())
    await history.save(conversation('a', turn('Where is the router?', 'In web.', 1)))
    await history.save(conversation('b', turn('Who retries?', 'The worker retries a job after a delay.', 2)))
    await history.save(conversation('c'))
    assert.deepEqual(
      (await history.list()).map(({ id }) => id),
      ['b', 'a'],
    )
    const found = await history.list('DELAY retries')
    assert.deepEqual(
      found.map(({ id, excerpt }) => [id, excerpt]),
      [['b', '…tries? The worker retries a job after a delay.']],
    )
    assert.deepEqual(await history.list('nothing'), [])
  })

  it('leaves out what is damaged, and files that are no chats', async () => {
    const folder = temporaryFolder()
    const history = new History(folder)
    mkdirSync(join(folder, 'folder.json'))
    writeFileSync(join(folder, 'broken.json'), '{"turns": [')
    writeFileSync(join(folder, 'other.txt'), 'x')
    await history.save(conversation('a', turn('Q', 'A', 1)))
    assert.deepEqual(
      (await history.list()).map(({ id }) => id),
      ['a'],
    )
    assert.equal(await history.load('../../etc/passwd'), undefined)
  })

  it('keeps nothing where there is no folder for it', async () => {
    const history = new History(undefined)
    await history.save(conversation('a', turn('Q', 'A', 1)))
    assert.deepEqual(await history.list(), [])
  })
})

describe('coverage', () => {
  it('groups what was left out by reason, the most frequent first', () => {
    const skipped = [
      { file: 'a', reason: 'binary' },
      { file: 'b', reason: 'empty' },
      { file: 'c', reason: 'empty' },
      ...Array.from({ length: 100 }, (_, i) => ({ file: `m${i}`, reason: 'minified' })),
    ]
    const { leftOut } = coverageOf({ ...held, skipped })
    assert.deepEqual(
      leftOut.map(({ reason, count, files }) => [reason, count, files.length]),
      [
        ['minified', 100, 40],
        ['empty', 2, 2],
        ['binary', 1, 1],
      ],
    )
  })
})
