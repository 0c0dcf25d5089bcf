/**
 * The folder of the memory on disk. It is private to its user, says of itself that it is a cache (so that backups, git and our own
 * discovery leave it out, also inside a repository), and is shared by every workspace, branch, worktree and process of the user:
 *
 *   segments/ab/PLACE-NAME.segment   what was read of one file: PLACE from its path, NAME from all that decides its bytes
 *   workspaces/KEY.manifest, .lock   which segments a workspace holds; locked (shared) by every process that has it open
 *   workspaces/KEY.writing           locked by who writes the manifest, for a moment
 *   summaries/PART-NAME.json         sections of summaries, which quote files (answer/summary/keeper.ts)
 *   streams/KEY-NAME.stream, .units  what was read of a workspace as one text, in parts (streams.ts); KEY from its path
 *   streams/KEY-NAME.json            which files that text holds, and where its parts end
 *   banks/NAME.bank                  reference questions as a profile's heads hear them
 *   aside/                           what is being written, under names that nobody else uses
 *
 * Nothing there is ever changed in place: files are written aside, synced and renamed. So processes need not wait for one another,
 * and a process may be killed at any moment.
 */
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, lstat, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { diskFailure, LongreadError } from '../errors'
import { isInside } from '../workspace/source'

const cacheTag = 'Signature: 8a477f597d28d172789f06886806bc55\n# What Longread has read. It can be read again.\n'
const own = ['segments', 'workspaces', 'banks', 'aside']
/** What else may lie in a folder that becomes a memory: marks, and what models were calibrated to (engine/calibrating.ts). */
const harmless: ReadonlySet<string> = new Set([
  ...own,
  'CACHEDIR.TAG',
  '.gitignore',
  'profiles',
  'calibration',
  'summaries',
  'streams',
])
/** Milliseconds after which nobody is still writing what lies aside. */
const abandoned = 10 * 60_000

export const summariesIn = (root: string): string => path.join(root, 'summaries')

export const streamsIn = (root: string): string => path.join(root, 'streams')

export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

export const hasCode = (thrown: unknown, ...codes: readonly string[]): boolean =>
  thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code))

export class MemoryFolder {
  private constructor(
    readonly root: string,
    /** Why nothing can be written here. */
    readonly problem: LongreadError | undefined,
    /** Whether what is there can be used: it can be read, and nobody else could have put it there. */
    readonly usable: boolean,
  ) {}

  /**
   * Makes the folder where it is missing. Throws usage when it holds something else, or when it is a workspace or around one;
   * a folder that cannot be written, or belongs to somebody else, is a `problem`, not an error.
   */
  static async open(root: string, workspace?: string): Promise<MemoryFolder> {
    if (workspace !== undefined && isInside(root, workspace))
      throw new LongreadError(
        'usage',
        `The memory cannot be kept in ${root}, which is around the folder that is read.`,
        { terminal: 'Give --memory another folder.' },
      )
    const there: string[] = await readdir(root).catch((thrown: unknown) => {
      if (hasCode(thrown, 'ENOENT', 'EACCES')) return []
      throw diskFailure(root, thrown)
    })
    const stranger = there.find((name) => !harmless.has(name))
    if (stranger !== undefined && !there.includes('CACHEDIR.TAG'))
      throw new LongreadError('usage', `${root} holds other things (${stranger}), so no memory is kept there.`, {
        terminal: 'Give --memory an empty or a new folder.',
      })
    if (await isForeign(root)) return new MemoryFolder(root, foreign(root), false)
    try {
      await prepare(root, there)
      return new MemoryFolder(root, undefined, true)
    } catch (cause) {
      const usable = await canUse(path.join(root, 'segments'), constants.R_OK | constants.X_OK)
      return new MemoryFolder(root, diskFailure(root, cause), usable)
    }
  }

  get segments(): string {
    return path.join(this.root, 'segments')
  }

  get banks(): string {
    return path.join(this.root, 'banks')
  }

  get workspaces(): string {
    return path.join(this.root, 'workspaces')
  }

  /** What they quote may be kept no longer; which of them quote it they do not say. */
  async forgetSummaries(): Promise<void> {
    await rm(summariesIn(this.root), { force: true, recursive: true }).catch(() => undefined)
  }

  /** Where all versions of one file lie, and how their names begin. */
  place(file: string): { readonly folder: string; readonly prefix: string } {
    const place = shortHash(file)
    return { folder: path.join(this.segments, place.slice(0, 2)), prefix: `${place}-` }
  }

  segment(file: string, name: string): string {
    const { folder, prefix } = this.place(file)
    return path.join(folder, `${prefix}${name}.segment`)
  }

  /** A new name on the same file system. */
  aside(): string {
    return path.join(this.root, 'aside', `${process.pid}-${randomBytes(8).toString('hex')}`)
  }

  /** Removes what processes that were killed left half-written. */
  async tidy(now = Date.now()): Promise<void> {
    const aside = path.join(this.root, 'aside')
    for (const name of await readdir(aside).catch(() => [])) {
      const file = path.join(aside, name)
      const age =
        now -
        (await lstat(file).then(
          ({ mtimeMs }) => mtimeMs,
          () => now,
        ))
      if (age > abandoned) await rm(file, { force: true }).catch(() => undefined)
    }
  }
}

const canUse = (file: string, how: number): Promise<boolean> =>
  access(file, how).then(
    () => true,
    () => false,
  )

/** Whose folder it is can change what lies in it; to root that is nothing new. */
async function isForeign(root: string): Promise<boolean> {
  const user = process.geteuid?.() ?? 0
  const owner = await stat(root).then(
    ({ uid }) => uid,
    () => user,
  )
  return user !== 0 && owner !== user
}

const foreign = (root: string): LongreadError =>
  new LongreadError('disk', `${root} belongs to another user, who could change what is kept there; it is not used.`, {
    terminal: 'Give --memory another folder.',
  })

async function prepare(root: string, there: readonly string[]): Promise<void> {
  for (const folder of [root, ...own.map((name) => path.join(root, name))]) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // One that was made by hand, or came out of an archive.
    const { mode } = await stat(folder)
    if ((mode & 0o077) !== 0) await chmod(folder, 0o700)
    await access(folder, constants.W_OK)
  }
  const put = async (name: string, text: string) => {
    if (!there.includes(name)) await writeFile(path.join(root, name), text, { mode: 0o600 })
  }
  await put('CACHEDIR.TAG', cacheTag)
  await put('.gitignore', '*\n')
}
