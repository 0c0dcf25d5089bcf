/**
 * The architecture as it stands in the code: folders, and which of them import which. Drawn, not told: a picture of what is
 * written is right where a small model's words may not be.
 */
import type { HeldFile } from '../../protocol/types'
import { resolveImport } from '../../workspace/imports'
import { inCode, oneLine } from '../plain'
import { cite, type Repository } from './types'

/** Folders in the picture; more than this nobody reads. */
const mostFolders = 12
const mostEdges = 24

export interface FolderImport {
  readonly from: string
  readonly to: string
  readonly count: number
  /** One of the lines that import. */
  readonly file: string
  readonly line: number
}

/** Up to so many files that folders do not tell apart are drawn one by one. */
const fewFiles = 40
/** A depth at which every file is a part of its own. */
const everyFile = Infinity

/** The folder that a file lies in, so many levels deep at most, or the file. */
function partOf(file: string, depth: number): string {
  if (depth === everyFile) return file
  return file.split('/').slice(0, -1).slice(0, depth).join('/') || '.'
}

/**
 * How many levels deep folders tell the parts apart: none of them holds nearly everything.
 * @param base folders above all of them
 */
export function depthOf(files: readonly string[], base = 0): number {
  let [best, most] = [base + 2, 0]
  for (const depth of [base + 1, base + 2, base + 3, base + 4]) {
    const folders = new Map<string, number>()
    for (const file of files) folders.set(partOf(file, depth), (folders.get(partOf(file, depth)) ?? 0) + 1)
    if (folders.size > 2 && Math.max(...folders.values()) < 0.6 * files.length) return depth
    if (folders.size > most) [best, most] = [depth, folders.size]
  }
  return files.length <= fewFiles ? everyFile : best
}

const depthIn = ({ outline, folder }: Repository): number =>
  depthOf(
    outline.map(({ file }) => file),
    folder.split('/').length - 1,
  )

export function folderImports(repository: Repository): FolderImport[] {
  const { outline, references } = repository
  const files = new Set(outline.map(({ file }) => file))
  const depth = depthIn(repository)
  const edges = new Map<string, FolderImport>()
  for (const { file } of outline)
    for (const { module, line } of references.get(file)?.imports ?? []) {
      const target = resolveImport(file, module, files)
      if (target === undefined) continue
      const [from, to] = [partOf(file, depth), partOf(target, depth)]
      if (from === to) continue
      const key = `${from}\n${to}`
      edges.set(key, { from, to, file, line, ...edges.get(key), count: (edges.get(key)?.count ?? 0) + 1 })
    }
  return [...edges.values()].sort((a, b) => b.count - a.count)
}

export function drawArchitecture(repository: Repository): string {
  const { outline } = repository
  const depth = depthIn(repository)
  const tokens = new Map<string, { tokens: number; files: HeldFile[] }>()
  for (const held of outline) {
    const folder = partOf(held.file, depth)
    const known = tokens.get(folder) ?? { tokens: 0, files: [] }
    tokens.set(folder, { tokens: known.tokens + held.tokens, files: [...known.files, held] })
  }
  const folders = [...tokens].sort(([, a], [, b]) => b.tokens - a.tokens).slice(0, mostFolders)
  const names = new Map(folders.map(([folder], i) => [folder, `f${i}`]))
  const edges = folderImports(repository)
    .filter(({ from, to }) => names.has(from) && names.has(to))
    .slice(0, mostEdges)
  const named = (part: string, { length }: readonly HeldFile[]) => (depth === everyFile ? part : `${part} (${length})`)
  const label = (text: string) => `"${oneLine(text).replace(/["\\<>`#&]/g, ' ')}"`
  return [
    '```mermaid',
    'flowchart LR',
    ...folders.map(([folder, { files }]) => `  ${names.get(folder) ?? ''}[${label(named(folder, files))}]`),
    ...edges.map(({ from, to, count }) => `  ${names.get(from) ?? ''} -->|${count}| ${names.get(to) ?? ''}`),
    '```',
    '',
    ...edges.slice(0, 8).map(({ from, to, count, file, line }) => {
      const place = cite({ file, startLine: line, endLine: line })
      return `- ${inCode(from)} → ${inCode(to)}: ${count}, ${place}`
    }),
  ].join('\n')
}
