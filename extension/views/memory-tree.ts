/** The entries of the memory view, from the list of files that are held. */
import type { HeldFile, Unit } from '../protocol/types'

export type Entry =
  | {
      readonly kind: 'folder'
      readonly path: string
      readonly name: string
      readonly files: number
      readonly tokens: number
    }
  | { readonly kind: 'file'; readonly name: string; readonly held: HeldFile }
  | { readonly kind: 'unit'; readonly file: string; readonly unit: Unit }

/** Folders, then files, that lie right below a folder (`''`: the root), each in the order of names. */
export function holding(all: readonly HeldFile[], folder: string): Entry[] {
  const start = folder === '' ? '' : `${folder}/`
  const folders = new Map<string, { files: number; tokens: number }>()
  const files: Entry[] = []
  for (const held of all) {
    if (!held.file.startsWith(start)) continue
    const rest = held.file.slice(start.length)
    const slash = rest.indexOf('/')
    if (slash < 0) files.push({ kind: 'file', name: rest, held })
    else {
      const name = rest.slice(0, slash)
      const known = folders.get(name) ?? { files: 0, tokens: 0 }
      folders.set(name, { files: known.files + 1, tokens: known.tokens + held.tokens })
    }
  }
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  const list = [...folders].map(([name, sums]) => ({ kind: 'folder' as const, path: start + name, name, ...sums }))
  return [...list.sort(byName), ...(files as Extract<Entry, { kind: 'file' }>[]).sort(byName)]
}
