/**
 * Segments on disk by name: what was read of a file comes back for the same content, whoever read it. A segment says itself what it
 * is (its name, its file, its units), so one that was damaged, swapped with another or made by another version is never taken for
 * what it is not; the file is read again.
 */
import { mkdir, readdir, rm, utimes } from 'node:fs/promises'
import * as path from 'node:path'
import { cancellable, type NativeAddon, type NativeEpisode } from '../engine/addon'
import { LongreadError } from '../errors'
import type { Unit } from '../protocol/types'
import { hasCode, type MemoryFolder } from './folder'

/** What a segment says of itself beside keys. */
export interface SegmentMetadata {
  readonly name: string
  readonly file: string
  readonly units: readonly Unit[]
  /** Tokens that were read, header and breadcrumbs included. */
  readonly tokens: number
  /** Which rules found no secret in the text. */
  readonly secretRules: string
}

export interface StoredEpisode {
  readonly episode: NativeEpisode
  readonly metadata: SegmentMetadata
}

/** Maps a segment from anywhere. Rejects with no-segment or bad-segment. */
export async function mapSegment(addon: NativeAddon, file: string): Promise<StoredEpisode> {
  const { episode, metadata } = await cancellable(addon, undefined, () => addon.mapEpisode(file))
  const read = parse(metadata)
  if (read === undefined || read.units.length !== episode.units || path.basename(file) !== nameOf(read, file))
    throw new LongreadError('bad-segment', `${file} is not what its name says; the file it belongs to is read again.`)
  return { episode, metadata: read }
}

/** The name under which these metadata belong, the part for the place taken as it is. */
const nameOf = ({ name }: SegmentMetadata, file: string): string => {
  const base = path.basename(file)
  return `${base.slice(0, base.indexOf('-') + 1)}${name}.segment`
}

function parse(text: string): SegmentMetadata | undefined {
  try {
    const read = JSON.parse(text) as Partial<SegmentMetadata> | null
    const whole =
      typeof read?.name === 'string' &&
      typeof read.file === 'string' &&
      typeof read.tokens === 'number' &&
      Array.isArray(read.units)
    return whole ? (read as SegmentMetadata) : undefined
  } catch {
    return undefined
  }
}

export class Segments {
  constructor(
    private readonly addon: NativeAddon,
    private readonly folder: MemoryFolder,
  ) {}

  /** Undefined when there is none. Rejects with bad-segment; then it is gone from disk. Counts as used now. */
  async load(file: string, name: string): Promise<StoredEpisode | undefined> {
    const segment = this.folder.segment(file, name)
    try {
      const stored = await mapSegment(this.addon, segment)
      if (stored.metadata.file !== file)
        throw new LongreadError('bad-segment', `${segment} belongs to another file; it is read again.`)
      await this.use(segment, stored)
      return stored
    } catch (thrown) {
      if (!(thrown instanceof LongreadError)) throw thrown
      if (thrown.code === 'no-segment') return undefined
      if (thrown.code === 'bad-segment') await rm(segment, { force: true }).catch(() => undefined)
      throw thrown
    }
  }

  /** When it resolves, the segment outlives a crash. Rejects with disk. */
  async save(episode: NativeEpisode, metadata: SegmentMetadata): Promise<void> {
    const segment = this.folder.segment(metadata.file, metadata.name)
    await mkdir(path.dirname(segment), { recursive: true, mode: 0o700 })
    const aside = this.folder.aside()
    // Somebody may have removed it all.
    await mkdir(path.dirname(aside), { recursive: true, mode: 0o700 })
    await cancellable(this.addon, undefined, () => episode.save(segment, aside, JSON.stringify(metadata)))
  }

  /** Whether any version of a file is kept. */
  async has(file: string): Promise<boolean> {
    return (await this.versions(file)).length > 0
  }

  /** Removes every version of a file that is not among `kept` (names of segments). Gives how many. */
  async forget(file: string, kept: ReadonlySet<string>): Promise<number> {
    const { folder, prefix } = this.folder.place(file)
    const nameOf = (base: string) => base.slice(prefix.length).replace(/\.segment$/, '')
    const gone = (await this.versions(file)).filter((base) => !kept.has(nameOf(base)))
    for (const base of gone) await rm(path.join(folder, base), { force: true })
    return gone.length
  }

  private async versions(file: string): Promise<string[]> {
    const { folder, prefix } = this.folder.place(file)
    return (await readdir(folder).catch(() => [])).filter((base) => base.startsWith(prefix))
  }

  /** Pruning looks at when a segment was used. Where it was pruned between being mapped and now, it is written again. */
  private async use(segment: string, { episode, metadata }: StoredEpisode): Promise<void> {
    const now = new Date()
    try {
      await utimes(segment, now, now)
    } catch (thrown) {
      // A folder that cannot be written is not pruned either.
      if (hasCode(thrown, 'ENOENT') && this.folder.problem === undefined) await this.save(episode, metadata)
    }
  }
}
