/** Where answers and the sections of a summary come from: what is asked for, or what the model's profile says it answers better by. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHandlers } from '../../extension/engine/handlers'
import type { CallTools, EngineHandlers } from '../../extension/engine/handlers-type'
import { usualReading } from '../../extension/infllm/choice'
import type { AskRequest, SectionId, StreamRequest } from '../../extension/protocol/types'
import { tinyProfile, writeRandomModel } from '../support/tiny-model'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

const parameters = { nInit: 4, nLocal: 24, blockSize: 16, topk: 9, reprTopk: 2, maxCachedBlock: 9, excBlockSize: 12 }
const reading = { ...usualReading, parameters }
const how = { top: 3, signals: 'lexical', rerank: false, rarity: true, readingTokens: 100 } as const
const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: 4 }
const question = 'where is alpha'

describe('answers', function () {
  this.timeout(60_000)
  let handlers: EngineHandlers
  let request: StreamRequest
  const folder = temporaryFolder()
  const tools: CallTools = {
    signal: new AbortController().signal,
    progress: () => undefined,
    text: () => undefined,
    log: () => undefined,
  }
  const withProfile = (answered: object): string => {
    const profile = join(temporaryFolder(), 'profile.json')
    writeFileSync(profile, JSON.stringify({ ...tinyProfile, ...answered }))
    return profile
  }
  const ask = (more: Partial<AskRequest> = {}) =>
    handlers.ask({ ...request, ...how, sampling, question, ...more }, tools)

  before(() => {
    const model = writeRandomModel(join(folder, 'random.gguf'))
    const root = workspace({ 'a.py': python('alpha', 12), 'b.py': python('beta', 12) })
    request = { root, model, profile: withProfile({}), memory: null, weights: 'file', device: 'cpu', threads: 1, breadcrumbs: true } // prettier-ignore
    handlers = createHandlers({ log: () => undefined, device: () => undefined })
  })
  after(() => handlers.dispose?.())

  it('come from units read afresh where nobody measured the model, and say so', async () => {
    const { from, memory, recalled } = await ask()
    assert.deepEqual([from, memory], [{ way: 'afresh' }, undefined])
    assert.equal(recalled[0]?.file, 'a.py')
  })

  it('come from memory where they are asked to, but for questions that point at code', async () => {
    const { from, memory } = await ask({ reading })
    assert.deepEqual([from, memory?.files], [{ way: 'memory', asked: true }, 2])
    const pointed = await ask({ reading, within: [{ file: 'b.py' }] })
    assert.deepEqual([pointed.from.way, pointed.memory], ['afresh', undefined])
    assert.deepEqual([...new Set(pointed.recalled.map(({ file }) => file))], ['b.py'])
  })

  it('come by the way by which the profile says that the model answers better', async () => {
    const figures = { afresh: 3, memory: 5, of: 6 }
    const better = await ask({ profile: withProfile({ answered: figures }) })
    assert.deepEqual([better.from, better.memory?.files], [{ way: 'memory', figures }, 2])
    const worse = await ask({ profile: withProfile({ answered: { ...figures, memory: 2 } }) })
    assert.deepEqual([worse.from.way, worse.memory], ['afresh', undefined])
  })

  it('of a summary about the whole repository come from there, too', async () => {
    put(request.root, { 'a.py': python('alpha', 14) })
    const streams: string[] = []
    const noted = { ...tools, progress: ({ phase }: Parameters<CallTools['progress']>[0]) => void streams.push(phase) }
    const section = (way: AskRequest['reading'], id: SectionId = 'flow', folder = '') =>
      handlers.section({ ...request, section: id, folder, ...(way ? { reading: way } : {}) }, noted)
    const { title, from } = await section('afresh')
    assert.deepEqual(from, { way: 'afresh', asked: true })
    const before = streams.filter((phase) => phase === 'read').length
    const other = await section(reading)
    assert.equal(other.title, title)
    assert.deepEqual(other.from, { way: 'memory', asked: true })
    // Of a part, and where the model is asked nothing.
    assert.deepEqual((await section(reading, 'flow', 'a')).from, { way: 'afresh' })
    assert.equal((await section(reading, 'architecture')).from, undefined)
    assert.ok(streams.filter((phase) => phase === 'read').length > before, 'the repository is read as one text')
  })
})
