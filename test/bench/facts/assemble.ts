/** A repository to ask about, from parts of the corpus. */
import { cp } from 'node:fs/promises'
import * as path from 'node:path'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'

/** Copies parts of the corpus (`requests/src`) into one folder. */
export async function assemble(parts: readonly string[], root: string): Promise<void> {
  for (const part of parts) {
    const [name = '', ...inside] = part.split('/')
    const [repository] = chooseRepositories([name])
    if (repository === undefined) throw new Error(`The corpus has no "${name}".`)
    const { folder } = await fetchRepository(repository)
    await cp(path.join(folder, ...inside), path.join(root, name, ...inside), { recursive: true })
  }
}
