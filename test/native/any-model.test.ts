/** The whole way from a folder to an answer, with a tiny random model of each architecture and a profile for it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { knownArchitectures } from '../../extension/engine/architectures'
import type { AskResult } from '../../extension/protocol/types'
import type { Profile } from '../../extension/recall/profile'
import { longread, type Ended } from '../support/command'
import { u32, writeGguf } from '../support/gguf-writer'
import { repositoryFixture } from '../support/model'
import { randomModel } from '../support/random-model'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
const question = 'How long does a worker wait before a retry?'

const profileOf = ({ layers, heads, embedding }: Profile['shape']): Profile => ({
  shape: { layers, heads, embedding },
  name: 'tiny',
  heads: [
    { layer: 3, head: 0, weight: 0.5 },
    { layer: 5, head: 2, weight: 0.5 },
  ],
  distance: 256,
  rarityPower: 0.5,
  window: 256,
  sinks: 4,
  keyFormat: 'q8',
  prompt: { before: 'Question: ', between: '\nAgain: ' },
  bank: ['Where is the start?', 'What is deleted?', 'Who is told?'],
  lexicalWeight: 0.5,
  rerankWeight: 0.5,
})

describe('a folder is read, recalled and asked about', function () {
  this.timeout(60_000)

  for (const architecture of knownArchitectures)
    it(`with a model of architecture ${architecture}`, async () => {
      const sizes = { headSize: 16, metadata: architecture === 'gemma3' ? { 'attention.sliding_window': u32(64) } : {} }
      const random = randomModel({ architecture, ...sizes })
      const [model, profile] = [join(folder, `${architecture}.gguf`), join(folder, 'profile.json')]
      writeFileSync(model, writeGguf(random.gguf))
      writeFileSync(profile, JSON.stringify(profileOf(random)))
      const flags = ['--profile', profile, '--no-store', '--threads', '1', '--max-tokens', '12', '--json']
      const ended: Ended = await longread('ask', repositoryFixture, question, '--model', model, ...flags)
      assert.equal(ended.status, 0, ended.stderr)
      const { found, reading, citations } = JSON.parse(ended.stdout) as AskResult
      assert.ok(found && reading.length > 0)
      for (const { score, signals } of reading)
        for (const value of [score, signals.attention, signals.lexical, signals.rerank ?? 0])
          assert.ok(value !== undefined && Number.isFinite(value))
      for (const { file, startLine } of citations)
        assert.ok(reading.some((unit) => unit.file === file && unit.startLine === startLine))
    })
})
