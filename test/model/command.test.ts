/** The command `longread` from end to end, on a small repository, with the real model. */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AskResult, RecallResult, StreamResult } from '../../extension/protocol/types'
import { childrenOf, longread, start, type Ended } from '../support/command'
import { tinyModel, u32, writeGguf } from '../support/gguf-writer'
import { modelPath, repositoryFixture } from '../support/model'
import { becomesGone, gone } from '../support/processes'
import { temporaryFolder } from '../support/temp'

/** The objects on stdout, one a line, of a command that went well. */
function objects({ status, stdout, stderr }: Ended): unknown[] {
  assert.equal(status, 0, stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

function only(ended: Ended): unknown {
  const [first, ...rest] = objects(ended)
  assert.ok(first !== undefined && rest.length === 0, ended.stdout)
  return first
}

/** Failed with one line that says why and ends with the code. */
function failedWith(code: string, status: number, { status: found, stdout, stderr }: Ended): void {
  assert.equal(found, status, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^longread: [^\n]+ \[[a-z-]+\]\n$/)
  assert.ok(stderr.endsWith(` [${code}]\n`), stderr)
}

const unfinished = (folder: string): string[] => readdirSync(join(folder, 'aside'))

const questions = [
  ['How long does a worker wait before it retries a failed job?', 'jobs/backoff.py', 'backoff_seconds'],
  ['How is a path matched against the routes?', 'web/router.ts', 'Router'],
  ['How is the signature of the session cookie verified?', 'web/session.ts', 'verifySession'],
] as const

describe('the command', function () {
  this.timeout(300_000)
  const folder = temporaryFolder()
  const root = join(folder, 'repository')
  const memory = join(folder, 'memory')
  const kept = ['--json', '--memory', memory]

  before(async () => {
    await modelPath()
    cpSync(repositoryFixture, root, { recursive: true })
    mkdirSync(join(root, 'build'))
    writeFileSync(join(root, 'build/generated.py'), 'answer = 42\n')
    // No real one, and not written here as one.
    writeFileSync(join(root, '.env'), `API_TOKEN=${'k3y'.repeat(12)}\n`)
  })

  describe('stream', () => {
    it('reads what is worth it, and says what it left out and why', async () => {
      const ended = await longread('stream', root, ...kept)
      const result = only(ended) as StreamResult
      assert.equal(result.files, 7)
      assert.equal(result.reused, 0)
      assert.ok(result.units >= 10 && result.units <= 30, `${result.units} units`)
      assert.ok(result.tokens > 800 && result.tokens < 1500, `${result.tokens} tokens`)
      assert.ok(result.tokensPerSecond > 0 && result.seconds > 0 && result.memoryBytes > 0)
      assert.deepEqual(
        result.skipped.map(({ file }) => file),
        ['.env', 'build/'],
      )
      assert.match(result.skipped[0]!.reason, /secret/)
      assert.match(result.skipped[1]!.reason, /\.gitignore/)
      // Every line of progress is an object, too.
      for (const line of ended.stderr.trimEnd().split('\n')) assert.doesNotThrow(() => JSON.parse(line), line)
      assert.deepEqual(unfinished(memory), [])
    })

    it('says that products in 8 bit need a GPU', async () => {
      const { status, stderr } = await longread(
        'stream',
        root,
        '--memory',
        memory,
        '--device',
        'cpu',
        '--weights',
        'fp8',
      )
      assert.equal(status, 2)
      assert.match(stderr, /--weights fp8 needs a GPU .*Leave the option out/)
    })

    it('reads nothing again that has not changed', async () => {
      const result = only(await longread('stream', root, ...kept)) as StreamResult
      assert.equal(result.files, 7)
      assert.equal(result.reused, 7)
      assert.equal(result.tokensPerSecond, 0)
    })

    it('says the same in sentences', async () => {
      const { status, stdout } = await longread('stream', root, '--memory', memory, '--skipped')
      assert.equal(status, 0)
      assert.match(stdout, /^7 files held \(0 read now, 7 kept from before\)/)
      assert.match(stdout, /^ {2}\.env {2}— .*secret/m)
    })

    it('goes on when its engine is killed, says so, and reads only the file that changed', async () => {
      appendFileSync(join(root, 'docs/deploy.md'), '\nAsk before you deploy on a Friday.\n')
      const running = start(['stream', root, ...kept])
      await running.says('"phase":"discover"')
      const [engine, ...others] = childrenOf(running.process.pid!)
      assert.ok(engine !== undefined && others.length === 0)
      process.kill(engine, 'SIGKILL')
      const ended = await running.ended
      const result = only(ended) as StreamResult
      assert.equal(result.files, 7)
      assert.equal(result.reused, 6)
      assert.equal(ended.stderr.match(/"notice":"[^"]*repeated/g)?.length, 1, ended.stderr)
      assert.deepEqual(unfinished(memory), [])
    })

    it('stops at Ctrl-C at any moment, leaves nothing half done, and then goes on from there', async () => {
      const interrupted = join(folder, 'interrupted')
      for (let round = 0; round < 6; round++) {
        // How soon it stops is for `longread bench speed`; here, that it does, wherever it is: starting, loading, reading.
        const moment = Math.round(Math.random() * 4000)
        const running = start(['stream', root, '--json', '--memory', interrupted])
        await Promise.race([delay(moment), running.ended])
        const engines = childrenOf(running.process.pid!)
        running.process.kill('SIGINT')
        const { status, stdout, stderr } = await running.ended
        const seen = `after ${moment} ms: ${stderr.slice(-300)}`
        // The very first moments are node's own, the last ones may find it done.
        if (status !== null && status !== 0) {
          assert.equal(status, 130, seen)
          assert.equal(stdout, '', seen)
          assert.match(stderr, /longread: [^\n]+ \[cancelled\]\n$/, seen)
        }
        for (const engine of engines) assert.ok(await becomesGone(engine), seen)
        assert.ok(gone(running.process.pid!), seen)
        if (existsSync(join(interrupted, 'aside'))) assert.deepEqual(unfinished(interrupted), [], seen)
      }
      const result = only(await longread('stream', root, '--json', '--memory', interrupted)) as StreamResult
      assert.equal(result.files, 7)
    })
  })

  describe('recall', () => {
    it('finds the right unit first, and says how', async () => {
      const file = join(folder, 'questions.jsonl')
      writeFileSync(file, questions.map(([question]) => `${JSON.stringify({ question })}\n`).join(''))
      const ended = await longread('recall', root, '--questions', file, '--no-rerank', '--top', '4', ...kept)
      const results = objects(ended) as RecallResult[]
      assert.equal(results.length, questions.length)
      questions.forEach(([question, where, symbol], i) => {
        const { question: asked, units, files, ms } = results[i]!
        const [first] = units
        assert.equal(asked, question)
        assert.equal(first?.file, where)
        assert.ok(first.symbol.includes(symbol), first.symbol)
        assert.equal(files[0]?.file, where)
        assert.ok(ms > 0)
        assert.equal(units.length, 4)
        assert.deepEqual(Object.keys(first.signals), ['attention', 'lexical'])
        assert.ok(first.foundBy.length > 0)
        assert.ok(first.foundBy.every(({ word, share }) => question.includes(word) && share > 0 && share <= 1))
        const scores = units.map(({ score }) => score)
        assert.deepEqual(
          scores,
          scores.toSorted((a, b) => b - a),
        )
      })
    })

    it('reads the best again to rank them, unless told not to', async () => {
      const [question, where] = questions[1]
      const { units } = only(await longread('recall', root, question, '--top', '50', ...kept)) as RecallResult
      assert.equal(units[0]?.file, where)
      // On a busy machine the time may do for the first alone.
      assert.ok(units.some(({ signals }) => typeof signals.rerank === 'number'))
    })

    for (const signals of ['lexical', 'attention'] as const)
      it(`by ${signals} alone tells no other signal`, async () => {
        const [question, where] = questions[1]
        const args = ['--signals', signals, '--no-rerank', '--top', '3']
        const { units } = only(await longread('recall', root, question, ...args, ...kept)) as RecallResult
        assert.equal(units[0]?.file, where)
        for (const unit of units) assert.deepEqual(Object.keys(unit.signals), [signals])
        assert.equal(
          units.some(({ foundBy }) => foundBy.length > 0),
          signals === 'attention',
        )
      })
  })

  describe('ask', () => {
    it('answers from the code, and cites lines that exist', async () => {
      const question = 'What is the value of LONGEST_WAIT_SECONDS?'
      const ended = await longread('ask', root, question, '--no-rerank', '--max-tokens', '24', ...kept)
      const { answer, citations, reading, found, timings } = only(ended) as AskResult
      assert.ok(found)
      assert.match(answer, /437/)
      assert.ok(citations.length > 0)
      assert.equal(citations[0]?.file, 'jobs/backoff.py')
      for (const { file, startLine, endLine } of citations) {
        const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n')
        assert.ok(startLine >= 1 && startLine <= endLine && endLine <= lines.length, `${file}:${startLine}-${endLine}`)
        assert.ok(reading.some((unit) => unit.file === file && unit.startLine === startLine))
      }
      const places = reading.map(({ file, startLine }) => `${file}:${String(startLine).padStart(6)}`)
      assert.deepEqual(places, places.toSorted())
      assert.ok(timings.total >= timings.recall + timings.firstToken + timings.answer)
    })

    it('says so when nothing in the repository fits the question', async () => {
      const question = 'How are penguins fed in Antarctica?'
      const result = only(await longread('ask', root, question, '--no-rerank', ...kept)) as AskResult
      assert.equal(result.found, false)
      assert.match(result.answer, /Nothing in this repository/)
      assert.deepEqual(result.citations, [])
      assert.deepEqual(result.reading, [])
    })
  })

  describe('that is used wrongly', () => {
    it('teaches with --help', async () => {
      for (const [args, example] of [
        [['--help'], '$ longread ask . "'],
        [['stream', '--help'], '$ longread stream .'],
        [['recall', '--help'], '$ longread recall . "'],
        [['ask', '--help'], '$ longread ask . "'],
        [['model', 'pull', '--help'], '$ longread model pull'],
      ] as const) {
        const { status, stdout, stderr } = await longread(...args)
        assert.equal(status, 0)
        assert.equal(stderr, '')
        assert.ok(stdout.startsWith('Usage: longread'), stdout)
        assert.ok(stdout.includes(example), stdout)
      }
    })

    it('exits 2 and says what was wrong', async () => {
      for (const [args, why] of [
        [['stream', root, '--wrong'], '--wrong'],
        [['stream'], 'dir'],
        [['recall', root, 'x', '--top', '0'], '--top'],
        [['recall', root, 'x', '--signals', 'smell'], '--signals'],
        [['recall', root], '--questions'],
        [['ask', root, ' '], 'empty'],
        [['ask', root, 'x', '--temperature', 'warm'], '--temperature'],
        [['dance'], 'dance'],
      ] as const) {
        const { status, stdout, stderr } = await longread(...args)
        assert.equal(status, 2, stderr)
        assert.equal(stdout, '')
        assert.ok(stderr.includes(why), stderr)
      }
    })

    it('exits 1 with one line and its code where the folder or the model is missing', async () => {
      failedWith('no-folder', 1, await longread('stream', join(folder, 'missing')))
      failedWith('no-folder', 1, await longread('stream', join(root, 'README.md')))
      failedWith('no-model', 1, await longread('stream', root, '--model', 'no-such-model'))
    })

    it('exits 1 with one line for 20 files that are no model, or a damaged one', async () => {
      const whole = writeGguf(tinyModel())
      const without = (key: string) => {
        const model = tinyModel()
        Reflect.deleteProperty(model.metadata, key)
        return writeGguf(model)
      }
      const patched = (at: number, bytes: readonly number[]) => {
        const copy = Buffer.from(whole)
        copy.set(bytes, at)
        return copy
      }
      const strange = tinyModel('mamba')
      const absurd = tinyModel()
      absurd.metadata['llama.block_count'] = u32(0xffffffff)
      const files: readonly (readonly [Buffer, string])[] = [
        ...[0, 3, 4, 12, 24, 60, 400, whole.length >> 1, whole.length - 1].map(
          (end) => [whole.subarray(0, end), 'bad-model'] as const,
        ),
        [Buffer.from('#!/bin/sh\necho I am no model\n'.repeat(40)), 'bad-model'],
        [Buffer.alloc(5000), 'bad-model'],
        [Buffer.from(Uint8Array.from({ length: 5000 }, (_, i) => (i * 167 + (i >> 3) * 29) & 255)), 'bad-model'],
        [patched(0, [0x46]), 'bad-model'],
        [patched(4, [99]), 'bad-model'],
        [patched(8, Array<number>(8).fill(255)), 'bad-model'],
        [patched(16, Array<number>(8).fill(255)), 'bad-model'],
        [patched(24, [255, 255, 255, 127]), 'bad-model'],
        [without('llama.attention.head_count'), 'bad-model'],
        [writeGguf(absurd), 'bad-model'],
        [writeGguf(strange), 'bad-architecture'],
      ]
      assert.equal(files.length, 20)
      for (const [i, [bytes, code]] of files.entries()) {
        const file = join(folder, `damaged-${i}.gguf`)
        writeFileSync(file, bytes)
        const ended = await longread('stream', root, '--model', file, '--memory', join(folder, 'unused'))
        failedWith(code, 1, ended)
        assert.ok(ended.stderr.includes(file), ended.stderr)
      }
      assert.ok(!existsSync(join(folder, 'unused')), 'nothing is written before the model is known')
    })
  })
})
