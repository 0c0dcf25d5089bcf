/**
 * A repository as one stream: what stands before it, then every file that is worth reading, in the order of their names or each after
 * those that it imports, each under a header with its path; and which tokens are which unit of code.
 */
import { createHash } from 'node:crypto'
import type { NativeModel } from '../engine/addon'
import { cancelled } from '../errors'
import type { Progress, SkippedFile, UnitReference } from '../protocol/types'
import { layOut, unitTexts } from '../recall/episode'
import { TokenList } from '../recall/token-list'
import { discover, readSource, type SourceFile } from '../workspace/discovery'
import { importedFirst, resolveImport } from '../workspace/imports'
import { cutUnits, references } from '../workspace/units'
import type { FileStream, Order, StreamFile } from './lookup'

export interface LaidOutUnit extends UnitReference {
  /** Tokens of the stream, end exclusive. */
  readonly from: number
  readonly to: number
}

/** It is cut into units of code, and what stands between them. */
export interface LaidOutRepository extends FileStream {
  readonly units: readonly LaidOutUnit[]
  readonly skipped: readonly SkippedFile[]
  /** Of all tokens. */
  readonly hash: string
}

export interface LayOutOptions {
  readonly before: Int32Array
  readonly breadcrumbs: boolean
  /** Of files; by their names nothing is known of what they import, otherwise they are read twice. */
  readonly order: Order
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly log: (message: string) => void
}

/** Rejects with `no-folder` and `cancelled`. */
export async function layOutRepository(
  model: Pick<NativeModel, 'tokenizeMany' | 'info'>,
  root: string,
  { before, breadcrumbs, order, signal, progress, log }: LayOutOptions,
): Promise<LaidOutRepository> {
  const found = await discover(root, { signal, onProgress: progress })
  const skipped = [...found.skipped]
  const tokens = new TokenList()
  const lengths: number[] = []
  const units: LaidOutUnit[] = []
  tokens.push(before)
  lengths.push(before.length)
  // Only the stream begins, not each file.
  const begin = model.info().beginToken >= 0 ? 1 : 0
  const files: StreamFile[] = []
  const imports = order === 'imports' ? await importsIn(root, found.files, signal) : undefined
  const wantedOf = new Map(found.files.map(({ file, wanted }) => [file, wanted]))
  const names = [...wantedOf.keys()]
  for (const file of imports ? importedFirst(names, (name) => imports.get(name) ?? []) : names) {
    if (signal.aborted) throw cancelled()
    const wanted = wantedOf.get(file) ?? false
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) {
      skipped.push({ file, reason: source.skipped })
      continue
    }
    const cut = await cutUnits(file, source.text, { warn: log })
    const episode = await layOut(model, file, cut, unitTexts(source.text, cut), breadcrumbs)
    const at = tokens.length - begin
    const firstLength = lengths.length
    let last = begin
    cut.forEach((unit, i) => {
      const [from = 0, to = 0] = [episode.spans[2 * i], episode.spans[2 * i + 1]]
      // A header goes with the unit it stands before: alone it would be looked up for nothing.
      lengths.push(to - last)
      units.push({ ...unit, file, from: at + from, to: at + to })
      last = to
    })
    if (episode.tokens.length > last) lengths.push(episode.tokens.length - last)
    const from = tokens.length
    tokens.push(episode.tokens.subarray(begin))
    const cutInto = [firstLength, lengths.length] as const
    files.push({ file, from, to: tokens.length, units: cutInto, imports: imports?.get(file) ?? [] })
  }
  const whole = tokens.whole()
  const hash = createHash('sha256').update(new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength))
  return { tokens: whole, lengths: Int32Array.from(lengths), units, files, skipped, hash: hash.digest('hex') }
}

/** Files of a repository that each of them imports. */
async function importsIn(
  root: string,
  found: readonly SourceFile[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const all = new Set(found.map(({ file }) => file))
  const imports = new Map<string, readonly string[]>()
  for (const { file, wanted } of found) {
    if (signal.aborted) throw cancelled()
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) continue
    const modules = (await references(file, source.text)).imports
    imports.set(file, [...new Set(modules.flatMap(({ module }) => resolveImport(file, module, all) ?? []))])
  }
  return imports
}

/** The unit of the stream that each of a memory's units lies in, or -1; `starts`: where those start, and where the last one ends. */
export function unitAt(units: readonly LaidOutUnit[], starts: Int32Array): Int32Array {
  const result = new Int32Array(Math.max(0, starts.length - 1)).fill(-1)
  let u = 0
  for (let i = 0; i < result.length; i++) {
    const [from = 0, to = 0] = [starts[i], starts[i + 1]]
    while (u < units.length && (units[u]?.to ?? 0) <= from) u++
    // The one with which it has most in common.
    let most = 0
    for (let v = u; v < units.length && (units[v]?.from ?? 0) < to; v++) {
      const common = Math.min(to, units[v]?.to ?? 0) - Math.max(from, units[v]?.from ?? 0)
      if (common > most) [most, result[i]] = [common, v]
    }
  }
  return result
}
