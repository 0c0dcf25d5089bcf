/**
 * What is left out of a workspace, with the reasons; and what may not be kept goes from disk, too: a file that became ignored, or
 * was found to hold a secret, leaves nothing behind, not even of its older versions, unless another workspace holds it rightly.
 */
import * as path from 'node:path'
import type { SkippedFile } from '../protocol/types'
import type { Keeper } from '../store/keeper'
import { byFile, passing, reasonFor } from '../workspace/skipped'

/** A change to such a file may change what every other file is. */
export const isRuleFile = (file: string): boolean => /^\.(?:git|longread)ignore$/.test(path.posix.basename(file))

export class LeftOut {
  private reasons = new Map<string, string>()

  constructor(private readonly keeper: Keeper | undefined) {}

  /** Sorted by name. */
  list(): SkippedFile[] {
    return [...this.reasons]
      .map(([file, reason]) => ({ file, reason }))
      .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0))
  }

  /** Those of `files` that are left out, in their order. */
  of(files: readonly string[]): SkippedFile[] {
    return files.flatMap((file) => {
      const reason = this.reasons.get(file)
      return reason === undefined ? [] : [{ file, reason }]
    })
  }

  /** What a look at the whole workspace found; `known` are files that may have been kept. */
  async replace(skipped: readonly SkippedFile[], known: Iterable<string>): Promise<void> {
    this.reasons = byFile(skipped)
    // A secret goes even where nobody remembers having kept it.
    const forbidden = skipped.filter(({ reason }) => reason.startsWith('secret')).map(({ file }) => file)
    for (const file of known) {
      const reason = reasonFor(this.reasons, file)
      if (reason !== undefined && !passing.test(reason)) forbidden.push(file)
    }
    await this.keeper?.forget(forbidden)
  }

  async add(file: string, reason: string): Promise<void> {
    this.reasons.set(file, reason)
    if (!passing.test(reason)) await this.keeper?.forget([file])
  }

  /** It is held again, or gone. */
  remove(file: string): void {
    this.reasons.delete(file)
  }
}
