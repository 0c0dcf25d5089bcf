/**
 * Damage of every kind to what is kept: bits flipped, files cut, lengthened, emptied, filled with zeros, swapped with another of the
 * same or another version. Nothing damaged may be served: a memory that is opened on it says what it found, reads that again, and
 * answers questions as a clean one does.
 */
import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LongreadError } from '../../../extension/errors'
import { recall } from '../../../extension/recall/recall'
import { cleanRead, contents, differences, TestMemory } from '../../support/memory'
import { random } from '../../support/random'
import { temporaryFolder } from '../../support/temp'
import { fileText, put } from './sources'

export interface DamageResult {
  readonly damages: Readonly<Record<string, number>>
  readonly segments: number
  readonly manifests: number
  /** Told before anything was served. */
  readonly detected: number
  /** What a memory held that a clean read does not, or an answer that differs. */
  readonly served: number
}

const options = { top: 20, signals: 'all', rerank: false, rarity: true } as const

const kinds = ['flip', 'header', 'cut', 'longer', 'empty', 'zeros', 'swap', 'older'] as const

export async function randomDamage(count: number, seed = Date.now()): Promise<DamageResult> {
  const below = random(seed)
  const root = realpathSync(temporaryFolder())
  const folder = join(temporaryFolder(), 'memory')
  const files = Array.from({ length: 6 }, (_, i) => `f${i}.py`)
  const write = (version: number) => {
    for (const [i, file] of files.entries()) put(root, file, fileText([i, i + 7, i + version]))
  }
  const ask = async (memory: TestMemory) => {
    const { units } = await recall(memory.memory, 'Where is retry_1 and what does it parse?', options, memory.options())
    return JSON.stringify(units)
  }
  // Two versions are kept, so that a segment can be swapped with one of the same file.
  for (const version of [9, 3]) {
    write(version)
    const first = await TestMemory.open(root, folder)
    await first.read()
    await first.close()
  }
  const clean = await cleanRead(root)
  const whole = await TestMemory.open(root, folder)
  await whole.read()
  const answer = await ask(whole)
  await whole.close()
  const inUse = new Set(Object.values(manifestOf(folder).files).map(({ name }) => name))
  const all = readdirSync(join(folder, 'segments'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.segment'))
    .map((name) => join(folder, 'segments', name))
  const used = all.filter((path) => inUse.has(basename(path).replace(/^.*-|\.segment$/g, '')))
  const damages: Record<string, number> = {}
  const result = { damages, segments: 0, manifests: 0, detected: 0, served: 0 }
  for (let i = 0; i < count; i++) {
    const manifest = below(5) === 0
    const target = manifest ? manifestPath(folder) : used[below(used.length)]!
    const before = readFileSync(target)
    const others = all.filter((path) => path !== target).map((path) => readFileSync(path))
    let kind: (typeof kinds)[number]
    let after: Buffer
    do {
      kind = kinds[below(kinds.length)]!
      after = damage(before, kind, others, below)
    } while (after.equals(before))
    writeFileSync(target, after)
    damages[kind] = (damages[kind] ?? 0) + 1
    if (manifest) result.manifests++
    else result.segments++
    const opened = await TestMemory.open(root, folder)
    await opened.read()
    let repaired = 0
    let answered: string | undefined
    while (answered === undefined)
      try {
        answered = await ask(opened)
      } catch (thrown) {
        if (!(thrown instanceof LongreadError) || !(await opened.memory.repair(opened.options()))) throw thrown
        repaired++
      }
    if (opened.logged.length === 1 && repaired <= 1) result.detected++
    result.served += differences(await contents(opened.memory), clean).length + (answered === answer ? 0 : 1)
    await opened.close()
    const written = readFileSync(target)
    if (!manifest && !written.equals(before)) throw new Error(`${target} was not written again as it was (${kind}).`)
  }
  return result
}

const manifestPath = (folder: string): string => {
  const [name] = readdirSync(join(folder, 'workspaces')).filter((one) => one.endsWith('.manifest'))
  return join(folder, 'workspaces', name!)
}

const manifestOf = (folder: string): { files: Record<string, { name: string }> } => {
  const text = readFileSync(manifestPath(folder), 'utf8')
  return JSON.parse(text.slice(text.indexOf('\n'))) as { files: Record<string, { name: string }> }
}

function damage(
  whole: Buffer,
  kind: (typeof kinds)[number],
  others: readonly Buffer[],
  below: (below: number) => number,
): Buffer {
  const copy = Buffer.from(whole)
  switch (kind) {
    case 'flip':
      for (let n = 1 + below(3); n > 0; n--) copy[below(copy.length)]! ^= 1 << below(8)
      return copy
    case 'header':
      copy[below(64)] = below(256)
      return copy
    case 'cut':
      return copy.subarray(0, below(copy.length))
    case 'longer':
      return Buffer.concat([copy, Buffer.alloc(1 + below(5000), below(256))])
    case 'empty':
      return Buffer.alloc(0)
    case 'zeros': {
      const from = below(copy.length)
      return copy.fill(0, from, Math.min(copy.length, from + 4096))
    }
    case 'swap':
      return others[below(others.length)]!
    case 'older':
      // Another version of the format, whole in every other respect.
      copy.writeUInt32LE(1 + below(9), 8)
      return copy
  }
}
