/** Names what reading a file gives: the same name, the same bytes, in whatever workspace, branch or worktree it was read. */
import { createHash } from 'node:crypto'

/** All that decides the bytes of a segment beside its file's path and text. */
export interface Naming {
  /** Layout of episodes and meaning of units. */
  readonly version: number
  /** The weights. */
  readonly model: string
  /** What of the profile changes the bytes (recall/profile.ts). */
  readonly profile: string
  readonly breadcrumbs: boolean
}

/** Raised whenever the layout of episodes, the meaning of units or the metadata change: older segments are then read again. */
export const namingVersion = 2

export function segmentName({ version, model, profile, breadcrumbs }: Naming, file: string, text: string): string {
  const head = JSON.stringify([version, model, profile, breadcrumbs, file])
  return createHash('sha256').update(head).update('\0').update(text).digest('hex')
}
