/** The entries of the memory view, from what a folder holds. */
import type { FolderContents, Unit } from '../protocol/types'

/** `path`s and `file`s are relative to the root, without a slash at their end. */
export type Entry =
  | {
      readonly kind: 'folder'
      readonly path: string
      readonly name: string
      readonly files: number
      readonly tokens: number
    }
  | { readonly kind: 'file'; readonly file: string; readonly name: string; readonly tokens: number }
  /** Files of a folder that has too many to show at once. */
  | { readonly kind: 'more'; readonly path: string; readonly from: number; readonly files: number }
  | { readonly kind: 'unit'; readonly file: string; readonly unit: Unit }

/** @param from files of the folder that are shown elsewhere */
export function entriesOf(path: string, { folders, files, more }: FolderContents, from: number): Entry[] {
  const start = path === '' ? '' : `${path}/`
  return [
    ...folders.map((folder): Entry => ({ kind: 'folder', path: start + folder.name, ...folder })),
    ...files.map((file): Entry => ({ kind: 'file', file: start + file.name, ...file })),
    ...(more > 0 ? [{ kind: 'more' as const, path, from: from + files.length, files: more }] : []),
  ]
}
