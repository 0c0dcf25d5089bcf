/** Small made-up sources whose functions come again in other files and versions, as they do when people edit. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const verbs = ['load', 'store', 'parse', 'render', 'merge', 'split', 'retry', 'close']

/** One of a few dozen functions, by number; long enough to be a unit of its own. */
export function functionText(n: number): string {
  const name = `${verbs[n % verbs.length]!}_${Math.floor(n / verbs.length)}`
  const body = Array.from({ length: 4 + (n % 5) }, (_, i) => `    value = value * ${n + i} + len(str(value))`)
  return `def ${name}(value):\n    """Does what ${name} does for case ${n}."""\n${body.join('\n')}\n    return value\n`
}

/** A file of these functions. */
export const fileText = (functions: readonly number[]): string => functions.map(functionText).join('\n\n')

export function put(root: string, file: string, text: string): void {
  const full = join(root, file)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
}
