/**
 * A process that works on a memory until it is killed (kills.ts): it edits its workspace, reads, prunes, opens and closes at random.
 * Every segment that is acknowledged is written to stdout at once, so that what it said before it died is known.
 */
import { existsSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryFolder, shortHash } from '../../../extension/store/folder'
import { prune } from '../../../extension/store/prune'
import { Memory, type ReadOptions } from '../../../extension/recall/memory'
import { random } from '../../support/random'
import { loadRandomModel } from '../../support/tiny-model'
import { fileText, put } from './sources'

/** What a victim says: a file with this text is kept on disk. */
export interface Said {
  readonly kept?: { readonly file: string; readonly text: string }
  readonly ready?: true
  /** Nothing is open any more, so anything may be pruned. */
  readonly closes?: true
  readonly pruned?: number
}

const say = (said: Said) => void writeSync(1, `${JSON.stringify(said)}\n`)

export const victimFiles = ['a.py', 'b.py', 'c.py', 'lib/d.py', 'lib/e.py', 'lib/f.py', 'g.md', 'h.ts']

async function main(): Promise<void> {
  const [model = '', root = '', folder = '', seed = '0', role = 'reader'] = process.argv.slice(2)
  const loaded = await loadRandomModel(model)
  const below = random(Number(seed))
  const options: ReadOptions = {
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    onHeld: (file, _, kept) => {
      // Nobody else writes here, so this is what was read.
      if (kept) say({ kept: { file, text: shortHash(readFileSync(join(root, file), 'utf8')) } })
    },
  }
  const open = () => Memory.open(root, loaded, { breadcrumbs: true, folder, log: () => undefined })
  const clear = async () => {
    const memory = await MemoryFolder.open(folder)
    // Nearly everything goes that no open workspace needs.
    const { removed } = await prune(loaded.addon, memory, { limit: below(3) * 50_000, unused: below(2) === 0 })
    if (removed > 0) say({ pruned: removed })
  }
  let memory = await open()
  await memory.read(options)
  say({ ready: true })
  for (;;) {
    if (role === 'pruner') await clear()
    const file = victimFiles[below(victimFiles.length)]!
    switch (below(8)) {
      case 0:
        say({ closes: true })
        await memory.close()
        memory = await open()
        await memory.read(options)
        break
      case 1:
        await clear()
        break
      case 2:
        await memory.read(options)
        break
      case 3:
        if (existsSync(join(root, file)) && file !== 'a.py') unlinkSync(join(root, file))
        await memory.update([{ file }], options)
        break
      default: {
        put(root, file, fileText(Array.from({ length: 1 + below(4) }, () => below(24))))
        await memory.update([{ file }], options)
      }
    }
  }
}

if (require.main === module) void main()
