/** Small files of the user's own that are there whole or not at all: written aside, then renamed. */
import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import * as path from 'node:path'

/** Makes the folder where it is missing; what is made only the user may read. Rejects as node:fs does, and leaves nothing behind. */
export async function writeWhole(file: string, data: string | Uint8Array): Promise<void> {
  const aside = `${file}.${randomUUID()}`
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(aside, data, { mode: 0o600 })
    await rename(aside, file)
  } catch (thrown) {
    await rm(aside, { force: true }).catch(() => undefined)
    throw thrown
  }
}
