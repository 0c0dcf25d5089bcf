/**
 * A very large repository, made of copies of this one's sources under names of their own: finding its files, watching it, looking at
 * it for the first time, and saving a file in it, while the process goes on answering.
 */
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { packageRoot } from '../../../extension/engine/addon'
import { contentsOf } from '../../../extension/recall/contents'
import { discover } from '../../../extension/workspace/discovery'
import { watchFolder } from '../../../extension/workspace/watch'
import { TestMemory } from '../../support/memory'
import { temporaryFolder } from '../../support/temp'

export interface ScaleResult {
  readonly files: number
  readonly lines: number
  readonly discoverMs: number
  /** The longest that the process did nothing else while files were found; and while they were looked at. */
  readonly discoverStallMs: number
  readonly watchMs: number
  /** The memory view's list of the root's folders, as if all were held. */
  readonly viewMs: number
  readonly lookMs: number
  readonly lookStallMs: number
  /** A save of one file while all others wait to be read. */
  readonly saveMs: number
  readonly missing: number
}

/** Copies until there are so many files of some 200 lines. */
function fill(root: string, count: number): number {
  const source = join(packageRoot(), 'extension')
  const texts = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(join(source, file), 'utf8')] as const)
  let [made, lines] = [0, 0]
  for (let copy = 0; made < count; copy++)
    for (const [i, [file, text]] of texts.entries()) {
      if (made === count) break
      const full = join(root, `part${copy % 40}`, `package${copy}`, file)
      mkdirSync(dirname(full), { recursive: true })
      // Two sources each, so that no two files are alike and they are as long as files are.
      const whole = `${text}\n// ${copy}\n${texts[(i + copy) % texts.length]![1]}`
      writeFileSync(full, whole)
      lines += whole.split('\n').length
      made++
    }
  return lines
}

/** How long a piece of work takes, and the longest that it kept everything else waiting (ms). */
async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number; stallMs: number }> {
  const stalls = monitorEventLoopDelay({ resolution: 5 })
  stalls.enable()
  const started = performance.now()
  const value = await work()
  const ms = performance.now() - started
  stalls.disable()
  return { value, ms, stallMs: stalls.max / 1e6 }
}

export async function scale(count: number): Promise<ScaleResult> {
  const root = realpathSync(temporaryFolder())
  try {
    const lines = fill(root, count)
    const found = await timed(() => discover(root))
    const watching = await timed(() =>
      watchFolder(root, { leftOut: [], onChange: () => undefined, onLost: () => undefined }),
    )
    await watching.value.close()
    const view = await timed(() =>
      Promise.resolve(
        contentsOf(
          found.value.files.map(({ file, size }) => ({ file, tokens: size })),
          '',
        ),
      ),
    )
    const opened = await TestMemory.open(root, join(temporaryFolder(), 'memory'))
    const looked = await timed(() => opened.memory.look(opened.options()))
    const [saved] = found.value.files
    writeFileSync(join(root, saved!.file), 'export const saved = 1\n')
    const save = await timed(() => opened.update({ file: saved!.file }))
    await opened.close()
    return {
      files: found.value.files.length,
      lines,
      discoverMs: found.ms,
      discoverStallMs: found.stallMs,
      watchMs: watching.ms,
      viewMs: view.ms,
      lookMs: looked.ms,
      lookStallMs: looked.stallMs,
      saveMs: save.ms,
      missing: save.value.missing.files,
    }
  } finally {
    rmSync(root, { recursive: true })
  }
}
