/** Temporary workspaces: written from a table of names and contents, and changed the same way. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFolder } from './temp'

export type Files = Readonly<Record<string, string>>

/** Without links in its path. */
export function workspace(files: Files): string {
  const root = realpathSync(temporaryFolder())
  put(root, files)
  return root
}

export function put(root: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

/** A function of its own unit. */
export const python = (name: string, lines = 3): string =>
  `def ${name}(value):\n${Array.from({ length: lines }, (_, i) => `    value += ${i}\n`).join('')}    return value\n`
