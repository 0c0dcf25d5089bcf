/**
 * What lies right below a folder of what is held. A view asks for one folder at a time, and of a folder with very many files for
 * some of them: of 50,000 files and a million units it gets what a person can see.
 */
import type { FolderContents } from '../protocol/types'

/** Files that are given at once. */
export const filesAtOnce = 1000

interface Held {
  readonly file: string
  readonly tokens: number
}

/**
 * Folders, then files, each in the order of names.
 *
 * @param held in the order of their names
 * @param folder `''`: the root; without a slash at its end
 * @param from files to pass over; then its folders are passed over, too
 */
export function contentsOf(held: Iterable<Held>, folder: string, from = 0): FolderContents {
  const start = folder === '' ? '' : `${folder}/`
  const folders = new Map<string, { files: number; tokens: number }>()
  const files: { readonly name: string; readonly tokens: number }[] = []
  let passed = 0
  for (const { file, tokens } of held) {
    if (!file.startsWith(start)) continue
    const slash = file.indexOf('/', start.length)
    if (slash < 0) {
      if (passed++ >= from && files.length < filesAtOnce) files.push({ name: file.slice(start.length), tokens })
    } else if (from === 0) {
      const name = file.slice(start.length, slash)
      const known = folders.get(name)
      if (known) {
        known.files++
        known.tokens += tokens
      } else folders.set(name, { files: 1, tokens })
    }
  }
  const list = [...folders].map(([name, sums]) => ({ name, ...sums }))
  return {
    folders: list.sort((a, b) => (a.name < b.name ? -1 : 1)),
    files,
    more: Math.max(0, passed - from - files.length),
  }
}
