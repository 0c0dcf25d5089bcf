/** `longread watch`, as a person runs it, on a tiny model of random weights; and `longread memory` on what it kept. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StreamResult, UpdateResult } from '../../extension/protocol/types'
import { longread, start, type Running } from '../support/command'
import { becomesGone } from '../support/processes'
import { tinyProfile, writeRandomModel } from '../support/tiny-model'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

interface Told {
  readonly stream?: StreamResult
  readonly update?: UpdateResult & { readonly changed: readonly string[] }
}

/** What it tells, line by line. */
class Listener {
  private readonly told: Told[] = []
  private wake: () => void = () => undefined
  private rest = ''

  constructor(running: Running) {
    running.process.stdout?.on('data', (text: string) => {
      const lines = (this.rest + text).split('\n')
      this.rest = lines.pop() ?? ''
      this.told.push(...lines.map((line) => JSON.parse(line) as Told))
      this.wake()
    })
  }

  /** Waits for something that fits; what came before it is passed over. */
  async hears(fits: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const at = this.told.findIndex(fits)
      if (at >= 0) return this.told.splice(0, at + 1).at(-1)!
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }
}

describe('the command watch', () => {
  let started: Running | undefined

  afterEach(() => started?.process.kill('SIGKILL'))

  it('reads what is saved, moved and let in, and keeps what it read', async () => {
    const folder = temporaryFolder()
    const profile = join(folder, 'profile.json')
    writeFileSync(profile, JSON.stringify(tinyProfile))
    const model = writeRandomModel(join(folder, 'random.gguf'))
    const memory = join(folder, 'memory')
    const common = ['--model', model, '--profile', profile, '--weights', 'file', '--memory', memory, '--json']
    const root = workspace({ 'a.py': python('alpha'), 'out/x.py': python('built'), '.gitignore': 'out/\n' })
    const running = start(['watch', root, ...common])
    started = running
    const listener = new Listener(running)
    const { stream } = await listener.hears((told) => told.stream !== undefined)
    assert.equal(stream?.files, 2)
    const changed = (...files: string[]) =>
      listener.hears(({ update }) => files.every((file) => update?.changed.includes(file) === true))

    put(root, { 'b.py': python('beta') })
    assert.equal((await changed('b.py')).update?.files, 1)
    mkdirSync(join(root, 'lib'))
    renameSync(join(root, 'b.py'), join(root, 'lib/c.py'))
    // Of a folder that was made and filled at once, watchers may tell its own name alone.
    await listener.hears(({ update }) => update?.changed.some((file) => file.startsWith('lib')) === true)
    put(root, { '.gitignore': '# nothing\n' })
    // What was saved just before may be read by this stream or by the update before it; what did not change is not.
    assert.ok(((await listener.hears((told) => told.stream?.files === 4)).stream?.reused ?? 0) >= 1)
    // The folder that was let in is watched from now on.
    put(root, { 'out/y.py': python('more') })
    await changed('out/y.py')
    rmSync(join(root, 'a.py'))
    await changed('a.py')

    running.process.kill('SIGINT')
    assert.equal((await running.ended).status, 0)
    assert.ok(await becomesGone(running.process.pid!))
    const result = JSON.parse((await longread('stream', root, ...common)).stdout) as StreamResult
    assert.deepEqual([result.files, result.tokensRead], [4, 0])

    const { stdout, status } = await longread('memory', 'list', '--memory', memory)
    assert.equal(status, 0)
    assert.ok(stdout.includes(root), stdout)
    assert.match(stdout, /4 files/)
    assert.match(
      (await longread('memory', 'verify', '--memory', memory)).stdout,
      /^\d+ segments whole, 0 files damaged/,
    )
    assert.equal((await longread('memory', 'prune', '--memory', memory, '--keep', 'much')).status, 2)
    assert.match((await longread('memory', 'prune', '--memory', memory, '--keep', '0MB')).stdout, / 0 segments kept/)
  })

  it('says which folder cannot be watched', async () => {
    const { status, stderr } = await longread('watch', join(temporaryFolder(), 'missing'))
    assert.equal(status, 1)
    assert.match(stderr, /\[no-folder\]\n$/)
  })
})
