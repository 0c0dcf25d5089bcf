/** Calibration from end to end, by the command: with a tiny model of random weights of which one head is known to find. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineClient } from '../../extension/engine/client'
import type { AskResult, RecallRequest, RecallResult } from '../../extension/protocol/types'
import type { Profile } from '../../extension/recall/profile'
import { longread, start } from '../support/command'
import { findingModel } from '../support/finding-model'
import { temporaryFolder } from '../support/temp'

/** Functions that each say a sign of their own, in their documentation and in what they give. */
const sign = (i: number) => String.fromCodePoint(0x4e00 + i)
const documented = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => {
    const s = sign(from + i).repeat(4)
    return `def give_${from + i}(x):\n    """Gives the line ${s} drawn so often."""\n    return x * "${s}"\n`
  }).join('\n\n')

describe('a calibration', function () {
  this.timeout(300_000)
  const folder = temporaryFolder()
  const model = join(folder, 'tiny.gguf')
  const repository = join(folder, 'repository')
  const bare = join(folder, 'bare')
  const common = ['--model', model, '--threads', '1', '--json']

  before(() => {
    writeFileSync(model, findingModel())
    for (const name of [repository, bare]) mkdirSync(name)
    for (let file = 0; file < 5; file++)
      writeFileSync(join(repository, `lines_${file}.py`), documented(file * 8, file * 8 + 8))
    writeFileSync(join(bare, 'lines.py'), documented(0, 3))
  })

  const profileIn = (memory: string): Profile => {
    const [name = '', ...others] = readdirSync(join(memory, 'profiles'))
    assert.ok(name.endsWith('.json') && others.length === 0)
    return JSON.parse(readFileSync(join(memory, 'profiles', name), 'utf8')) as Profile
  }
  const best = ({ heads: [first] }: Profile) => [first?.layer, first?.head]

  it('finds the head that finds, and gives the same bytes for the same seed', async () => {
    const outs = [join(folder, 'a.json'), join(folder, 'b.json')]
    for (const out of outs) {
      const memory = join(folder, 'calibrations')
      const { status, stderr } = await longread(
        ...['calibrate', repository, ...common, '--distances', '256', '--memory', memory, '--out', out],
      )
      assert.equal(status, 0, stderr)
    }
    const [a, b] = outs.map((out) => readFileSync(out, 'utf8'))
    assert.equal(a, b)
    const profile = JSON.parse(a!) as Profile
    assert.deepEqual(best(profile), [0, 0])
    assert.ok(profile.heads.every(({ weight }) => weight > 0))
    const { command, figures } = profile.made!
    assert.equal(command, 'longread calibrate repository --distances 256')
    assert.equal(figures.repositories[0]!.questions, 40)
    assert.ok(figures.mean.heldOut > 0.5, `${figures.mean.heldOut}`)
  })

  it('is made for the model by the first folder it reads, says so, and is kept', async () => {
    const memory = join(folder, 'memory')
    const ask = () =>
      longread(
        ...['recall', repository, `Which line is ${sign(21).repeat(4)}?`, ...common],
        ...['--memory', memory, '--signals', 'attention', '--no-rerank'],
      )
    const first = await ask()
    assert.equal(first.status, 0, first.stderr)
    assert.match(first.stderr, /"notice":"There is no profile for Tiny[^"]*calibrated now/)
    assert.match(first.stderr, /"notice":"Calibrated on 40 documented functions[^"]*unit MRR/)
    assert.deepEqual(best(profileIn(memory)), [0, 0])
    const { units } = JSON.parse(first.stdout) as RecallResult
    // Small functions share a unit.
    assert.match(units[0]!.symbol, /\bgive_21\b/)
    assert.ok(units[0]!.signals.attention! > 2)

    const second = await ask()
    assert.equal(second.status, 0, second.stderr)
    assert.ok(!second.stderr.includes('"notice"'), second.stderr)
    assert.deepEqual((JSON.parse(second.stdout) as RecallResult).units, units)
  })

  it('goes on beside the calls of a session, which words serve until it is done', async () => {
    const told: string[] = []
    const client = new EngineClient({ onLog: (level, message) => void (level === 'warn' && told.push(message)) })
    const memory = join(folder, 'session')
    const request: RecallRequest = {
      ...{ root: repository, model, weights: 'fast', device: 'cpu', profile: null, threads: 1, memory },
      ...{ breadcrumbs: true, top: 3, signals: 'all', rerank: false, rarity: true },
      questions: [`Which line is ${sign(21).repeat(4)}?`],
    }
    const units = async () => (await client.call('recall', request))[0]!.units
    try {
      const served = await units()
      assert.equal(served[0]!.signals.attention, undefined)
      assert.match(told.join('\n'), /^There is no profile for Tiny.*words alone/)
      const calls = [served]
      while (calls.at(-1)![0]!.signals.attention === undefined) {
        // People pause between questions; whoever never does is never made to wait for it.
        await delay(300)
        calls.push(await units())
      }
      assert.equal(told.length, 2, told.join('\n'))
      assert.match(told[1]!, /^Calibrated on 40 documented functions.*unit MRR/)
      assert.deepEqual(best(profileIn(memory)), [0, 0])
      assert.match(calls.at(-1)![0]!.symbol, /\bgive_21\b/)
    } finally {
      await client.dispose()
    }
  })

  it('that has too little to go by leaves the model to words, and says so', async () => {
    const memory = join(folder, 'words')
    const { status, stdout, stderr } = await longread(
      ...['recall', bare, 'Where is give_1 defined?', ...common, '--memory', memory],
    )
    assert.equal(status, 0, stderr)
    assert.match(stderr, /"notice":"A calibration needs 20 documented functions, and only 3 were found[^"]*words alone/)
    const { units } = JSON.parse(stdout) as RecallResult
    assert.match(units[0]!.symbol, /\bgive_1\b/)
    assert.equal(units[0]!.signals.attention, undefined)
    assert.ok(!existsSync(join(memory, 'profiles')))
    const attention = await longread(
      ...['recall', bare, 'Where is give_1 defined?', '--signals', 'attention', '--no-calibrate'],
      ...['--model', model, '--memory', memory],
    )
    assert.equal(attention.status, 1)
    assert.match(attention.stderr, /has no profile[^\n]*longread calibrate[^\n]*\[bad-profile\]\n$/)

    const failed = await longread('calibrate', bare, '--model', model, '--memory', memory)
    assert.equal(failed.status, 1)
    assert.match(failed.stderr, /only 3 were found[^\n]*\[bad-corpus\]\n$/)
  })

  it('is left out where it is not wanted', async () => {
    const memory = join(folder, 'unwanted')
    const ended = await longread('stream', repository, ...common, '--memory', memory, '--no-calibrate')
    assert.equal(ended.status, 0, ended.stderr)
    assert.match(ended.stderr, /"notice":"There is no profile for Tiny.*longread calibrate DIR/)
    assert.ok(!existsSync(join(memory, 'profiles')))
  })

  it('is not needed for an answer', async () => {
    const { status, stdout, stderr } = await longread(
      ...['ask', bare, 'What does give_1 give?', ...common, '--no-store', '--no-calibrate', '--max-tokens', '5'],
    )
    assert.equal(status, 0, stderr)
    const { found, reading } = JSON.parse(stdout) as AskResult
    assert.ok(found)
    assert.match(reading[0]!.symbol, /\bgive_1\b/)
  })

  it('stops at Ctrl-C and keeps nothing half done', async () => {
    const memory = join(folder, 'interrupted')
    const running = start(['calibrate', repository, ...common, '--memory', memory])
    await running.says('"phase":"calibrate"')
    running.process.kill('SIGINT')
    const { status, stderr } = await running.ended
    assert.equal(status, 130, stderr)
    assert.ok(!existsSync(join(memory, 'profiles')))
  })

  it('asks for what it needs', async () => {
    for (const [args, why] of [
      [['--tokens', 'many'], '--tokens'],
      [['--distances', '256,x'], '--distances'],
      [['--no-store'], '--out'],
      [['--profile', 'x.json'], '--profile'],
    ] as const) {
      const { status, stderr } = await longread('calibrate', repository, '--model', model, ...args)
      assert.equal(status, 2, stderr)
      assert.ok(stderr.includes(why), stderr)
    }
  })
})
