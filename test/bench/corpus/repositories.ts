/**
 * The repositories that recall is measured on: where each comes from, and whether it may be used to calibrate, to develop or
 * only to test. The split is by repository and fixed in repositories.json; quoted figures are those of `test`.
 */
import { existsSync, readFileSync } from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

export type Split = 'calibration' | 'development' | 'test'
export type Source = 'pip' | 'npm' | 'apt' | 'apt-source'

export const splits: readonly Split[] = ['calibration', 'development', 'test']

export interface Repository {
  readonly name: string
  readonly split: Split
  readonly language: string
  readonly source: Source
  readonly package: string
  /** Upstream's version, without Debian's revision. */
  readonly version: string
  /** Only these folders or files, where a package also holds builds of the same sources. */
  readonly keep?: readonly string[]
  readonly drop?: readonly string[]
}

/** `sources/` is what was fetched, `recall/` what is read of it and asked about it. */
export const cacheFolder = (): string => process.env['LONGREAD_CACHE'] ?? path.join(os.homedir(), '.cache', 'longread')
export const corporaFolder = (): string => path.join(cacheFolder(), 'corpora')
export const corpusFolder = (repository: Repository): string =>
  path.join(corporaFolder(), `${repository.name}-${repository.version}`)

/** Compiled code runs from `out`, its data stays among the sources. */
export function sourceFile(...parts: string[]): string {
  let folder = __dirname
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder)
    if (parent === folder) throw new Error('The bench runs inside the project only.')
    folder = parent
  }
  return path.join(folder, ...parts)
}

export function readRepositories(): Repository[] {
  return JSON.parse(readFileSync(sourceFile('test/bench/corpus/repositories.json'), 'utf8')) as Repository[]
}
