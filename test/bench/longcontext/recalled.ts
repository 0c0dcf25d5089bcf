/**
 * Units that the product's recall finds for a question: the text as files in a folder, read as the product reads a workspace, and all
 * of `longread recall`'s signals. InfLLM's units that they lie in are then used by all layers.
 */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import type { InfLlmParameters } from '../../../extension/engine/addon'
import type { Signals } from '../../../extension/protocol/types'
import { Memory } from '../../../extension/recall/memory'
import { profileFor } from '../../../extension/recall/profile'
import { recall } from '../../../extension/recall/recall'
import type { Case } from './tasks'
import type { Reading } from './ways'

/** Tokens of the stream, end exclusive. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** More than there is room for. */
const unitsRecalled = 64

/** Where in the stream what recall finds stands, best first. Throws for a model without a profile. */
export async function recalled(
  asked: Pick<Case, 'files' | 'asks'>,
  reading: Reading,
  signals: Signals = 'all',
): Promise<Span[]> {
  const { addon, model } = reading
  const profile = reading.profile ?? profileFor(model.info())
  if (!profile) throw new Error('There is no profile of recall heads for this model.')
  const root = await realpath(await mkdtemp(path.join(os.tmpdir(), 'longread-bench-')))
  const log = (message: string): void => void process.stderr.write(`${message}\n`)
  const loaded = { addon, model, profile, threads: os.availableParallelism(), fingerprint: 'bench' }
  try {
    for (const { name, text } of asked.files) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true })
      await writeFile(path.join(root, name), text)
    }
    const memory = await Memory.open(root, loaded, { breadcrumbs: true, folder: null, log })
    try {
      const tools = { signal: new AbortController().signal, progress: () => undefined }
      const { skipped } = await memory.read({ ...tools, log })
      for (const { file, reason } of skipped) log(`recall does not read ${file}: ${reason}`)
      const options = { top: unitsRecalled, signals, rerank: signals === 'all', rarity: true }
      const { units } = await recall(memory, asked.asks, options, tools)
      const files = new Map(asked.files.map((file) => [file.name, file]))
      return units.flatMap(({ file, startLine, endLine }) => {
        const spans = files.get(file)?.spans.filter((span) => span.startLine <= endLine && startLine <= span.endLine) ?? [] // prettier-ignore
        const [first, last] = [spans[0], spans.at(-1)]
        return first && last ? [{ from: first.from, to: last.to }] : []
      })
    } finally {
      await memory.close()
    }
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** InfLLM's units that spans lie in, rising: of the best first, as many as there is room for. `starts`: where units start, and the last one ends. */
export function unitsOf(
  spans: readonly Span[],
  starts: Int32Array,
  { topk, blockSize }: Pick<InfLlmParameters, 'topk' | 'blockSize'>,
): Int32Array {
  let room = topk * blockSize
  const chosen = new Set<number>()
  for (const { from, to } of spans) {
    // The last unit that starts at or before it.
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= from) low = middle
      else high = middle - 1
    }
    for (let unit = low; unit + 1 < starts.length && starts[unit]! < to; unit++) {
      const tokens = starts[unit + 1]! - starts[unit]!
      if (starts[unit + 1]! <= from || chosen.has(unit)) continue
      // Of a long span as much as there is room for.
      if (tokens > room) break
      room -= tokens
      chosen.add(unit)
    }
  }
  return Int32Array.from(chosen).sort()
}
