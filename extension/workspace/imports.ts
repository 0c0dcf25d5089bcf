/** Which file of a repository an import means, and an order of files in which what is imported comes first. */
import * as path from 'node:path'

const endings = [
  '.ts', '.tsx', '.js', '.jsx', '.mjs', '.cjs', '.py', '.go', '.rs', '.java', '.rb', '.php', '.cs', '.h', '.hpp',
  '/index.ts', '/index.tsx', '/index.js', '/__init__.py', '/mod.rs',
] // prettier-ignore

/** Where modules that are named from a root may lie. */
const roots = ['', 'src', 'lib', 'src/main/java', 'src/test/java']

/** The file of the repository that an import means, if it means one. A package of Go, which is a folder, is none. */
export function resolveImport(from: string, module: string, files: ReadonlySet<string>): string | undefined {
  for (const base of bases(from, module)) {
    const clean = base.replace(/\.(?:js|mjs|cjs|jsx)$/, '')
    for (const candidate of [base, clean, ...endings.map((ending) => clean + ending)])
      if (files.has(candidate) && candidate !== from) return candidate
  }
  return undefined
}

/** Paths that it may be, likelier ones first. */
function bases(from: string, module: string): string[] {
  const folder = path.posix.dirname(from)
  const written = [module, path.posix.join(folder, module)]
  if (/^\.{1,2}\//.test(module)) return [path.posix.join(folder, module), ...written]
  if (/^\w+(?:::\w+)*(?:::\{|::\*| as |$)/.test(module) && from.endsWith('.rs')) return rustBases(from, module)
  if (!/^\.*[\w.]+$/.test(module)) return written
  const dots = /^\.*/.exec(module)?.[0].length ?? 0
  const rest = module.slice(dots).replaceAll('.', '/')
  if (dots > 0) return [path.posix.join(folder, ...Array<string>(dots - 1).fill('..'), rest), ...written]
  return [rest, path.posix.join(folder, rest), ...roots.slice(1).map((root) => `${root}/${rest}`), ...written]
}

/** What follows a module in a path is what it holds: the longest path that is a file is meant. */
function rustBases(from: string, module: string): string[] {
  const folder = path.posix.dirname(from)
  const names = /^\w+(?:::\w+)*/.exec(module)?.[0].split('::') ?? []
  // The modules that a file holds lie in a folder of its name, but for the files that stand for their folder.
  const stem = path.posix.basename(from, '.rs')
  const inside = ['mod', 'lib', 'main'].includes(stem) ? folder : `${folder}/${stem}`
  const crate = /^(.*\/)?src(?=\/|$)/.exec(folder)?.[0] ?? folder
  const starts: Readonly<Record<string, string>> = { crate, self: inside, super: path.posix.dirname(inside) }
  let base = starts[names[0] ?? '']
  if (base !== undefined) names.shift()
  for (; base !== undefined && names[0] === 'super'; names.shift()) base = path.posix.dirname(base)
  const paths = names.map((_, i) => names.slice(0, names.length - i).join('/'))
  if (base !== undefined) paths.push('') // `use super::*`
  return [base ?? inside].flatMap((root) => paths.map((one) => path.posix.join(root, one)))
}

/**
 * The same files, each after those that it imports; those that import each other in the order in which they stood, as far as nothing
 * else says otherwise.
 * @param importsOf files among them that a file imports
 */
export function importedFirst(files: readonly string[], importsOf: (file: string) => readonly string[]): string[] {
  const order: string[] = []
  const seen = new Set<string>()
  for (const root of files) {
    if (seen.has(root)) continue
    seen.add(root)
    // Not by recursion: chains of imports are as long as a repository has files.
    const open = [{ file: root, left: [...importsOf(root)].reverse() }]
    for (let top = open.at(-1); top; top = open.at(-1)) {
      const next = top.left.pop()
      if (next === undefined) {
        order.push(top.file)
        open.pop()
      } else if (!seen.has(next)) {
        seen.add(next)
        open.push({ file: next, left: [...importsOf(next)].reverse() })
      }
    }
  }
  return order
}
