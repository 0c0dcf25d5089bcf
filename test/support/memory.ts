/** Memories of the tiny random model, and all that one holds, byte by byte. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './model'
import { loadRandomModel } from './tiny-model'
import { temporaryFolder } from './temp'
import type { Change, StreamResult, Unit, UpdateResult } from '../../extension/protocol/types'
import type { LoadedModel } from '../../extension/recall/loaded'
import { Memory, type ReadOptions } from '../../extension/recall/memory'

let loading: Promise<LoadedModel> | undefined

/** Loaded once in each process. */
export const randomModel = (): Promise<LoadedModel> => (loading ??= loadRandomModel())

export class TestMemory {
  readonly logged: string[] = []

  private constructor(
    readonly memory: Memory,
    private readonly log: string[],
  ) {
    this.logged = log
  }

  static async open(root: string, folder: string | null, limit?: number, loaded?: LoadedModel): Promise<TestMemory> {
    const log: string[] = []
    const options = { breadcrumbs: true, folder, limit, log: (message: string) => void log.push(message) }
    return new TestMemory(await Memory.open(root, loaded ?? (await randomModel()), options), log)
  }

  options(extra: Partial<ReadOptions> = {}): ReadOptions {
    const log = (message: string) => void this.log.push(message)
    return { signal: new AbortController().signal, progress: () => undefined, log, ...extra }
  }

  read(extra?: Partial<ReadOptions>): Promise<StreamResult> {
    return this.memory.read(this.options(extra))
  }

  update(...changes: Change[]): Promise<UpdateResult> {
    return this.memory.update(changes, this.options())
  }

  close(): Promise<void> {
    return this.memory.close()
  }
}

export interface HeldContent {
  readonly units: readonly Unit[]
  /** The segment as it would be on disk: keys, statistics, bounds. */
  readonly bytes: Buffer
}

/** All that a memory holds, by file. */
export async function contents(memory: Memory): Promise<Map<string, HeldContent>> {
  const held = new Map<string, HeldContent>()
  const segment = join(temporaryFolder(), 'segment')
  for (const file of memory.files()) {
    await run(() => memory.store.get(file).save(segment, `${segment}.aside`, ''))
    held.set(file, { units: memory.unitsOf(file), bytes: readFileSync(segment) })
    rmSync(segment)
  }
  return held
}

/** What a memory of its own, that never saw anything else, holds of a folder. */
export async function cleanRead(root: string): Promise<Map<string, HeldContent>> {
  const clean = await TestMemory.open(root, null)
  await clean.read()
  return contents(clean.memory)
}

/** How two memories differ, unit by unit and byte by byte; empty when they do not. */
export function differences(a: ReadonlyMap<string, HeldContent>, b: ReadonlyMap<string, HeldContent>): string[] {
  const found: string[] = []
  for (const file of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(file), b.get(file)]
    if (!left || !right) found.push(`${file} is held by the ${left ? 'first' : 'second'} alone`)
    else if (JSON.stringify(left.units) !== JSON.stringify(right.units)) found.push(`${file} is cut differently`)
    else if (!left.bytes.equals(right.bytes)) found.push(`${file} differs in its bytes`)
  }
  return found
}
