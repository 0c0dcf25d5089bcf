/** `longread watch`: reads a folder, and then every file that is saved, until Ctrl-C. */
import { realpath } from 'node:fs/promises'
import type { Command } from 'commander'
import { noFolder } from '../errors'
import type { StreamRequest, StreamResult, UpdateResult } from '../protocol/types'
import { Changes } from '../workspace/changes'
import { watchFolder, type Watch } from '../workspace/watch'
import { commonOptions, streamRequest, type CommonFlags } from './options'
import { describeStream } from './reading'
import { withSession, type Session } from './session'
import { jsonLine, oneLine, seconds } from './terminal'

const print = (text: string) => process.stdout.write(`${text}\n`)

export function addWatching(program: Command): void {
  commonOptions(program.command('watch <dir>'))
    .summary('read a folder, and then what is saved in it')
    .description(
      'Reads a folder and keeps the memory up to date: what is saved is read at once, before what still waits. Ends with Ctrl-C.',
    )
    .addHelpText('after', '\nExample:\n  $ longread watch .')
    .action(watch)
}

async function watch(dir: string, flags: CommonFlags): Promise<void> {
  const root = await realpath(dir).catch(() => {
    throw noFolder(dir)
  })
  const request = await streamRequest(root, flags)
  await withSession(flags.json === true, (session) => new Watching(request, session, flags.json === true).run())
}

class Watching {
  private watch: Watch | undefined
  private reading = false
  /** There is more to read than when reading began. */
  private again = false
  private failed: (thrown: unknown) => void = () => undefined
  private readonly changes = new Changes(
    (files) => void this.update(files).catch((thrown: unknown) => this.failed(thrown)),
  )

  constructor(
    private readonly request: StreamRequest,
    private readonly session: Session,
    private readonly json: boolean,
  ) {}

  /** Until the session is cancelled, which is how it ends well. */
  async run(): Promise<void> {
    const { signal } = this.session
    const ended = new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      this.failed = (thrown) => (signal.aborted ? resolve() : reject(thrown as Error))
    })
    try {
      // Before reading, so that nothing that is saved meanwhile is missed.
      await this.subscribe([])
      this.read()
      await ended
    } finally {
      this.changes.close()
      await this.watch?.close()
    }
  }

  private async subscribe(leftOut: readonly string[]): Promise<void> {
    const next = await watchFolder(this.request.root, {
      leftOut,
      onChange: (files) => this.changes.add(files),
      onLost: () => this.read(),
    })
    await this.watch?.close()
    this.watch = next
  }

  /** Everything that waits; where that is under way already, once more after it. */
  private read(): void {
    const { client, signal, view } = this.session
    if (this.reading) {
      this.again = true
      return
    }
    this.reading = true
    const read = async () => {
      do {
        this.again = false as boolean
        const result = await client.call('stream', this.request, { signal, onProgress: (p) => view.show(p) })
        await this.subscribe(foldersLeftOut(result))
        view.clear()
        print(this.json ? jsonLine({ stream: result }) : `${describeStream(result)}\nWatching; Ctrl-C ends.`)
      } while (this.again)
      this.reading = false
    }
    read().catch((thrown: unknown) => this.failed(thrown))
  }

  private async update(files: readonly string[]): Promise<void> {
    const { client, signal, view } = this.session
    const changes = files.map((file) => ({ file }))
    const result = await client.call('update', { ...this.request, changes }, { signal })
    if (result.files > 0 || this.json) {
      view.clear()
      print(this.json ? jsonLine({ update: { ...result, changed: files } }) : describeUpdate(files, result))
    }
    if (result.missing.files > 0) this.read()
  }
}

const foldersLeftOut = ({ skipped }: StreamResult): string[] =>
  skipped.flatMap(({ file }) => (file.endsWith('/') ? [file] : []))

function describeUpdate(changed: readonly string[], { files, tokens, ms }: UpdateResult): string {
  const names = changed.slice(-3).map(oneLine).join(', ')
  const more = changed.length > 3 ? ` and ${changed.length - 3} more` : ''
  return `${names}${more}: ${files} ${files === 1 ? 'file' : 'files'} read, ${tokens.toLocaleString('en-US')} tokens, ${seconds(ms / 1000)}.`
}
