/** Workspaces that were read as one text: the last reading of each is kept (native/infllm/keeping.cpp writes it). */
import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import * as path from 'node:path'
import { asLongreadError } from '../errors'
import { MemoryFolder, shortHash, streamsIn } from './folder'

const extensions = ['.stream', '.units']

/** The files of one workspace, or of all. */
async function filesOf(memory: string, workspace?: string): Promise<string[]> {
  const folder = streamsIn(memory)
  const names = await readdir(folder).catch(() => [])
  const own = workspace === undefined ? names : names.filter((name) => name.startsWith(`${shortHash(workspace)}-`))
  return own.map((name) => path.join(folder, name))
}

export async function forgetStreams(memory: string, workspace?: string): Promise<void> {
  for (const file of await filesOf(memory, workspace)) await rm(file, { force: true })
}

export class KeptStreams {
  private constructor(
    private readonly memory: string,
    private readonly workspace: string,
    /** Where units rest. */
    readonly folder: string,
    private readonly log: (message: string) => void,
  ) {}

  /** Undefined, and said why, where the folder cannot be written. Throws usage when it is no memory. */
  static async open(
    memory: string,
    workspace: string,
    log: (message: string) => void,
  ): Promise<KeptStreams | undefined> {
    const { problem } = await MemoryFolder.open(memory, workspace)
    const folder = streamsIn(memory)
    try {
      if (problem) throw problem
      await mkdir(folder, { recursive: true, mode: 0o700 })
      return new KeptStreams(memory, workspace, folder, log)
    } catch (thrown) {
      log(`Nothing of this folder is kept: ${asLongreadError(thrown).message}`)
      return undefined
    }
  }

  /** Of what decides all that is read; without an extension. */
  nameOf(decides: unknown): string {
    const name = createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 32)
    return path.join(this.folder, `${shortHash(this.workspace)}-${name}`)
  }

  /** Keeps one reading instead of those before. A full disk is told and does no other harm. */
  async keep(name: string, save: () => Promise<void>): Promise<void> {
    const own = new Set(extensions.map((extension) => name + extension))
    try {
      for (const file of await filesOf(this.memory, this.workspace)) if (!own.has(file)) await rm(file, { force: true })
      await save()
    } catch (thrown) {
      this.log(`What was read could not be kept: ${asLongreadError(thrown).message}`)
    }
  }
}
