/**
 * Workspaces that were read as one text: the last reading of each is kept, in parts that were saved one after the other
 * (native/infllm/keeping.cpp writes them), and beside them which files they hold. So what stands before a change is not read again, and
 * whoever breaks off goes on after the last part.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import * as path from 'node:path'
import { asLongreadError, type ErrorCode } from '../errors'
import { hasCode, MemoryFolder, shortHash, streamsIn } from './folder'
import { writeWhole } from './whole-file'

export interface KeptPart {
  /** Of its files, without an extension. */
  readonly name: string
  /** How many of the files it holds, with those of the parts before, and tokens. */
  readonly files: number
  readonly tokens: number
}

export interface KeptText {
  /** All files, in their order; which of them were read the parts say. */
  readonly files: readonly { readonly file: string; readonly digest: string }[]
  readonly parts: readonly KeptPart[]
}

/** Raised when what it says is to be understood otherwise. */
const version = 1

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && Number(x) >= 0

/** Whether it is such a text: parts rise and hold no more files than there are. */
function isKeptText(x: unknown): x is KeptText {
  if (typeof x !== 'object' || x === null) return false
  const text = x as Readonly<Record<string, unknown>>
  if (text['version'] !== version || !Array.isArray(text['files']) || !Array.isArray(text['parts'])) return false
  const entries = (list: unknown[]) => list.filter((one) => typeof one === 'object' && one !== null) as Record<string, unknown>[] // prettier-ignore
  const [files, parts] = [entries(text['files']), entries(text['parts'])]
  const before = (i: number, what: string): unknown => parts[i - 1]?.[what] ?? 0
  return (
    files.length === text['files'].length &&
    parts.length === text['parts'].length &&
    files.every(({ file, digest }) => typeof file === 'string' && typeof digest === 'string') &&
    parts.every(
      ({ name, files: count, tokens }, i) =>
        typeof name === 'string' &&
        path.basename(name) === name &&
        isCount(count) &&
        isCount(tokens) &&
        count >= Number(before(i, 'files')) &&
        count <= files.length &&
        tokens >= Number(before(i, 'tokens')),
    )
  )
}

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

/** What is no fault of the disk. */
const others: readonly ErrorCode[] = ['cancelled', 'gpu-unfit', 'gpu-failed']

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

  /** Of what decides how a text is read, but for the text. */
  reading(decides: unknown): KeptStream {
    return new KeptStream(this.memory, this.workspace, JSON.stringify(decides), this.log)
  }
}

/** One way of reading a workspace as one text. */
export class KeptStream {
  constructor(
    private readonly memory: string,
    private readonly workspace: string,
    private readonly decides: string,
    private readonly log: (message: string) => void,
  ) {}

  /** What was kept of it last. */
  async read(): Promise<KeptText> {
    try {
      const text: unknown = JSON.parse(await readFile(this.list, 'utf8'))
      if (isKeptText(text)) return text
    } catch {
      // None, or damaged, or of another make: there is nothing to go on from.
    }
    return { files: [], parts: [] }
  }

  /** Where a part lies. */
  path({ name }: KeptPart): string {
    return path.join(streamsIn(this.memory), name)
  }

  /** The name of a part that holds these files, after the parts before. */
  part(files: KeptText['files'], tokens: number): KeptPart {
    const own = createHash('sha256').update(this.decides)
    for (const { file, digest } of files) own.update(JSON.stringify([file, digest]))
    return { name: this.named(own.digest('hex')), files: files.length, tokens }
  }

  /** Keeps these parts and nothing else of the workspace, however it was read. */
  async keepOnly(text: KeptText): Promise<void> {
    await writeWhole(this.list, JSON.stringify({ version, ...text }))
    const own = new Set([
      this.list,
      ...text.parts.flatMap((part) => [`${this.path(part)}.stream`, `${this.path(part)}.units`]),
    ])
    for (const file of await filesOf(this.memory, this.workspace)) if (!own.has(file)) await rm(file, { force: true })
  }

  /** False where the disk does not take it, which is told and does no other harm. */
  async keep(save: () => Promise<void>, text: KeptText): Promise<boolean> {
    try {
      await save()
      await this.keepOnly(text)
      return true
    } catch (thrown) {
      if (hasCode(thrown, ...others)) throw thrown
      this.log(`What was read could not be kept: ${asLongreadError(thrown).message}`)
      return false
    }
  }

  private get list(): string {
    return path.join(
      streamsIn(this.memory),
      `${this.named(createHash('sha256').update(this.decides).digest('hex'))}.json`,
    )
  }

  private named(hash: string): string {
    return `${shortHash(this.workspace)}-${hash.slice(0, 32)}`
  }
}
