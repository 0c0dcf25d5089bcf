/**
 * Tells which files of a folder change. By @parcel/watcher, which VS Code uses, too: one watch a folder (not a file), in native code,
 * and folders that are left out are not watched at all.
 */
import path from 'node:path'
import { subscribe } from '@parcel/watcher'
import { watchFailed } from '../errors'
import { versionControl } from './exclusions'

export interface WatchOptions {
  /** Folders that are left out, relative to the root. */
  readonly leftOut: readonly string[]
  /** Names relative to the root, with forward slashes; of a folder that is gone perhaps its own alone. */
  readonly onChange: (files: string[]) => void
  /** Changes may have been missed: everything has to be looked at. */
  readonly onLost: () => void
}

export interface Watch {
  close(): Promise<void>
}

/** `root` is absolute and without links. Rejects with watch. */
export async function watchFolder(root: string, { leftOut, onChange, onLost }: WatchOptions): Promise<Watch> {
  const ignore = [
    ...[...versionControl].map((name) => `**/${name}`),
    ...leftOut.map((folder) => path.join(root, folder)),
  ]
  try {
    const subscription = await subscribe(
      root,
      (error, events) => {
        if (error) onLost()
        else onChange(events.map((event) => path.relative(root, event.path).split(path.sep).join('/')))
      },
      { ignore },
    )
    return { close: () => subscription.unsubscribe() }
  } catch (cause) {
    throw watchFailed(root, cause)
  }
}
