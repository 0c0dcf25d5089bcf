/**
 * A repository as one stream: what stands before it, then every file that is worth reading, each under a header with its path; and
 * which tokens are which unit of code. A file's part of it depends on nothing but the file, and which of the others it imports.
 */
import { createHash } from 'node:crypto'
import type { NativeModel } from '../engine/addon'
import { cancelled } from '../errors'
import type { Progress, SkippedFile, UnitReference } from '../protocol/types'
import { layOut, unitTexts } from '../recall/episode'
import { ProgressMeter } from '../recall/progress'
import { TokenList } from '../recall/token-list'
import { discover, readSource } from '../workspace/discovery'
import { importedFirst, resolveImport } from '../workspace/imports'
import { cutUnits, references } from '../workspace/units'
import type { FileStream, Order, StreamFile } from './lookup'
import type { NamedText } from './order'

export interface LaidOutUnit extends UnitReference {
  /** Tokens of the stream, end exclusive; in a FileText counted from where the file begins. */
  readonly from: number
  readonly to: number
}

/** What of a file does not depend on others. */
interface OwnText {
  readonly file: string
  readonly tokens: Int32Array
  /** Of the units that it is cut into: those of code, and what stands between them. They sum to its tokens. */
  readonly lengths: readonly number[]
  readonly units: readonly LaidOutUnit[]
  /** Named as they are imported, where that was asked for. */
  readonly modules: readonly string[]
  /** On disk. */
  readonly bytes: number
  /** Of its text. */
  readonly source: string
}

/** A file of the stream. */
export interface FileText extends OwnText, NamedText {
  /** Files of the repository. */
  readonly imports: readonly string[]
}

export interface LaidOutRepository extends FileStream {
  readonly units: readonly LaidOutUnit[]
  readonly files: readonly (StreamFile & NamedText)[]
}

export interface LayOutOptions {
  readonly breadcrumbs: boolean
  /** Of files; by their names nothing is known of what they import. */
  readonly order: Order
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  readonly log: (message: string) => void
}

export interface FileTexts {
  /** In the order that was asked for. */
  readonly files: readonly FileText[]
  readonly skipped: readonly SkippedFile[]
}

/**
 * Every file as it is now; `known` are those of the last time, of which what has not changed is taken over.
 * Rejects with `no-folder` and `cancelled`.
 */
export async function fileTexts(
  model: Pick<NativeModel, 'tokenizeMany' | 'info'>,
  root: string,
  { breadcrumbs, order, signal, progress, log }: LayOutOptions,
  known: readonly FileText[] = [],
): Promise<FileTexts> {
  const found = await discover(root, { signal, onProgress: progress })
  const skipped = [...found.skipped]
  const before = new Map(known.map((text) => [text.file, text]))
  const texts: OwnText[] = []
  const meter = new ProgressMeter('discover', 'files', progress)
  // Only the stream begins, not each file.
  const begin = model.info().beginToken >= 0 ? 1 : 0
  for (const { file, size, wanted } of found.files) {
    if (signal.aborted) throw cancelled()
    meter.report(texts.length, found.files.length, file)
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) {
      skipped.push({ file, reason: source.skipped })
      continue
    }
    const hash = createHash('sha256').update(source.text).digest('hex')
    const same = before.get(file)
    if (same?.source === hash) {
      texts.push(same)
      continue
    }
    const cut = await cutUnits(file, source.text, { warn: log })
    const episode = await layOut(model, file, cut, unitTexts(source.text, cut), breadcrumbs)
    const tokens = episode.tokens.slice(begin)
    const lengths: number[] = []
    let last = 0
    const units = cut.map((unit, i): LaidOutUnit => {
      const [from, to] = [(episode.spans[2 * i] ?? 0) - begin, (episode.spans[2 * i + 1] ?? 0) - begin]
      // A header goes with the unit it stands before: alone it would be looked up for nothing.
      lengths.push(to - last)
      last = to
      return { ...unit, file, from, to }
    })
    if (tokens.length > last) lengths.push(tokens.length - last)
    const modules = order === 'imports' ? (await references(file, source.text)).imports.map(({ module }) => module) : []
    texts.push({ file, tokens, lengths, units, modules, bytes: size, source: hash })
  }
  return { files: inOrderOf(texts), skipped }
}

/** By what each imports, which is nothing where they are to be in the order of their names. */
function inOrderOf(texts: readonly OwnText[]): FileText[] {
  const all = new Set(texts.map(({ file }) => file))
  const files = texts.map((text): FileText => {
    const imports = [...new Set(text.modules.flatMap((module) => resolveImport(text.file, module, all) ?? []))]
    const digest = createHash('sha256').update(text.tokens).update(Int32Array.from(text.lengths))
    if (imports.length > 0) digest.update(JSON.stringify(imports))
    return { ...text, imports, digest: digest.digest('hex') }
  })
  const byName = new Map(files.map((text) => [text.file, text]))
  return importedFirst([...all], (file) => byName.get(file)?.imports ?? []).flatMap((file) => byName.get(file) ?? [])
}

/** @param before what stands before all files */
export function inOneStream(before: Int32Array, files: readonly FileText[]): LaidOutRepository {
  const tokens = new TokenList()
  const lengths = [before.length]
  const units: LaidOutUnit[] = []
  const places: (StreamFile & NamedText)[] = []
  tokens.push(before)
  for (const { file, digest, imports, ...text } of files) {
    const [from, first] = [tokens.length, lengths.length]
    for (const unit of text.units) units.push({ ...unit, from: from + unit.from, to: from + unit.to })
    lengths.push(...text.lengths)
    tokens.push(text.tokens)
    places.push({ file, digest, imports, from, to: tokens.length, units: [first, lengths.length] })
  }
  return { tokens: tokens.whole(), lengths: Int32Array.from(lengths), units, files: places }
}

/** Both at once, for who reads it once. Rejects as fileTexts does. */
export async function layOutRepository(
  model: Pick<NativeModel, 'tokenizeMany' | 'info'>,
  root: string,
  { before, ...options }: LayOutOptions & { readonly before: Int32Array },
): Promise<LaidOutRepository> {
  return inOneStream(before, (await fileTexts(model, root, options)).files)
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
