/** Files that are left out, and why: found by their names or by those of folders around them. */
import type { SkippedFile } from '../protocol/types'

/** Reasons that are about this moment; the others say that the file is not to be read. */
export const passing = /^(?:gone while reading|cannot be read|its name is not UTF-8|link)/

/** The reason for a file: its own, or that of a folder around it. */
export function reasonFor(skipped: ReadonlyMap<string, string>, file: string): string | undefined {
  const own = skipped.get(file)
  if (own !== undefined) return own
  for (let at = file.lastIndexOf('/'); at >= 0; at = file.lastIndexOf('/', at - 1)) {
    const around = skipped.get(file.slice(0, at + 1))
    if (around !== undefined || at === 0) return around
  }
  return undefined
}

export const byFile = (skipped: readonly SkippedFile[]): Map<string, string> =>
  new Map(skipped.map(({ file, reason }) => [file, reason]))
