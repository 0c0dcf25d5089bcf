/** What the extension has written to its output channel. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** @param folder of the server (code-server.ts) */
export function logOf(folder: string): string {
  const logs = join(folder, 'data/logs')
  return readdirSync(logs, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('Longread.log'))
    .map((name) => readFileSync(join(logs, name), 'utf8'))
    .join('')
}
