/**
 * SIGKILL at random moments: two processes work on one memory, each in a worktree of its own, reading, saving, opening and pruning,
 * and are killed. Then every segment that the first acknowledged and whose content is still what it was must be there, nothing may
 * be damaged, and a restart must hold what a clean read holds, unit by unit, byte by byte.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MemoryFolder, shortHash } from '../../../extension/store/folder'
import { verify } from '../../../extension/store/inventory'
import { cleanRead, contents, differences, randomModel, TestMemory } from '../../support/memory'
import { random } from '../../support/random'
import { writeRandomModel } from '../../support/tiny-model'
import { temporaryFolder } from '../../support/temp'
import { fileText, put } from './sources'
import { victimFiles, type Said } from './victim'

export interface KillsResult {
  readonly kills: number
  readonly acknowledged: number
  /** Of those, with the content that was on disk when the process died. */
  readonly required: number
  readonly lost: number
  readonly pruned: number
  readonly damaged: number
  readonly units: number
  readonly wrong: number
}

/** The longest that a victim works before it is killed (ms). */
const longestLife = 350

class Victim {
  /** The last acknowledged version of each file. */
  readonly kept = new Map<string, string>()
  acknowledged = 0
  pruned = 0
  readonly ready: Promise<void>
  readonly ended: Promise<void>
  private readonly child

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [join(__dirname, 'victim.js'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let becomeReady: () => void
    this.ready = new Promise((resolve) => (becomeReady = resolve))
    let rest = ''
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const said = JSON.parse(line) as Said
        if (said.ready) becomeReady()
        if (said.pruned !== undefined) this.pruned += said.pruned
        if (said.closes) this.kept.clear()
        if (said.kept === undefined) continue
        this.acknowledged++
        this.kept.set(said.kept.file, said.kept.text)
      }
    })
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()))
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}

export async function randomKills(kills: number, seed = Date.now()): Promise<KillsResult> {
  const below = random(seed)
  const { addon } = await randomModel()
  const model = writeRandomModel(join(temporaryFolder(), 'random.gguf'))
  const folder = join(temporaryFolder(), 'memory')
  const roots = [realpathSync(temporaryFolder()), realpathSync(temporaryFolder())] as const
  for (const root of roots) for (const [i, file] of victimFiles.entries()) put(root, file, fileText([i, i + 1, i + 2]))
  const result = { kills: 0, acknowledged: 0, required: 0, lost: 0, pruned: 0, damaged: 0, units: 0, wrong: 0 }
  while (result.kills < kills) {
    const victims = roots.map(
      (root, i) => new Victim([model, root, folder, String(below(1e9)), i === 0 ? 'reader' : 'pruner']),
    )
    const [reader, pruner] = victims as [Victim, Victim]
    await Promise.all([reader.ready, pruner.ready])
    await delay(below(longestLife))
    // What the reader needs may be pruned as soon as nobody holds it: so the pruner dies first.
    pruner.kill()
    await pruner.ended
    reader.kill()
    await reader.ended
    result.kills += 2
    for (const victim of victims) {
      result.acknowledged += victim.acknowledged
      result.pruned += victim.pruned
    }
    const memory = await MemoryFolder.open(folder)
    result.damaged += (await verify(addon, memory, { repair: false })).damaged.length
    const again = await TestMemory.open(roots[0], folder)
    const reused = new Set<string>()
    await again.read({ onHeld: (file, how) => void (how === 'reused' && reused.add(file)) })
    for (const [file, text] of reader.kept) {
      const full = join(roots[0], file)
      if (!existsSync(full) || shortHash(readFileSync(full, 'utf8')) !== text) continue
      result.required++
      if (!reused.has(file)) result.lost++
    }
    const clean = await cleanRead(roots[0])
    for (const { units } of clean.values()) result.units += units.length
    result.wrong += differences(await contents(again.memory), clean).length
    await again.close()
  }
  return result
}
