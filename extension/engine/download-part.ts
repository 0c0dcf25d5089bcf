/**
 * Where a download is put together: a folder beside the finished files, so that finishing is one rename. While a process works in
 * it, the folder bears the process's name; put back, it is there to be continued by the next. Taking it is a rename too,
 * so that of two processes one continues and the other starts a folder of its own, and nobody waits for a lock.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'

const host = hostname().replace(/[^\w-]/g, '-')

export class DownloadPart {
  private constructor(
    /** This process's own folder. */
    readonly folder: string,
    private readonly shared: string,
    /** The file that it will be. */
    readonly finished: string,
  ) {}

  /** Takes up what was left of a download of `finished`, or starts afresh. */
  static async claim(finished: string): Promise<DownloadPart> {
    const shared = `${finished}.part`
    const own = `${shared}.${host}.${process.pid}.${randomBytes(4).toString('hex')}`
    await mkdir(dirname(finished), { recursive: true })
    const left = await abandoned(shared)
    let taken = false
    for (const folder of [shared, ...left]) {
      const to: string = taken ? `${own}-old` : own
      const moved: boolean = await rename(folder, to).then(
        () => true,
        () => false,
      )
      if (moved && taken) await rm(to, { recursive: true, force: true })
      taken ||= moved
    }
    if (!taken) await mkdir(own)
    return new DownloadPart(own, shared, finished)
  }

  /** The file that grows. */
  get data(): string {
    return join(this.folder, 'data')
  }

  /** What `note` wrote for this download before, if anything. */
  async notes(): Promise<Readonly<Record<string, unknown>>> {
    try {
      const notes: unknown = JSON.parse(await readFile(join(this.folder, 'source.json'), 'utf8'))
      return typeof notes === 'object' && notes !== null ? { ...notes } : {}
    } catch {
      return {}
    }
  }

  async note(notes: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFile(join(this.folder, 'source.json'), JSON.stringify(notes))
  }

  /** Puts the data under its final name, once it is safely on disk. */
  async finish(): Promise<void> {
    await sync(this.data)
    await rename(this.data, this.finished)
    await sync(dirname(this.finished))
    await this.discard()
  }

  /** Leaves what is there for the next attempt. */
  async putBack(): Promise<void> {
    if (!(await stat(this.data).catch(() => undefined))?.size) return this.discard()
    // Another process may have put its part back meanwhile; then that one stays.
    await rename(this.folder, this.shared).catch(() => this.discard())
  }

  async discard(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Folders of processes of this machine that are no more. */
async function abandoned(shared: string): Promise<string[]> {
  const prefix = `${shared}.${host}.`
  const folder = dirname(shared)
  const names = await readdir(folder)
  return names
    .map((name) => join(folder, name))
    .filter((path) => path.startsWith(prefix) && !lives(Number.parseInt(path.slice(prefix.length), 10)))
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: there is such a process, of someone else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
