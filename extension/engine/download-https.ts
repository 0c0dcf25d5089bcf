/**
 * Downloads one file over HTTPS into a part that can be continued: an interrupted one is asked for from where it ended, with
 * If-Range so that a file that changed meanwhile comes whole. Lost connections are tried again a few times.
 */
import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { cancelled, downloadFailed, LongreadError, modelNotStored } from '../errors'
import type { DownloadPart } from './download-part'

export interface HttpsOptions {
  readonly sha256: string
  readonly signal: AbortSignal
  readonly report: (done: number, total: number) => void
  /** Asked once the size is known; throws when there is no room. */
  readonly makeSure: (bytes: number) => Promise<void>
  /** Milliseconds before the first new attempt; doubles with each. */
  readonly retryMs?: number
  /** Milliseconds without a byte after which a connection counts as lost. */
  readonly stallMs?: number
}

/** Attempts after one another that bring no byte. */
const ATTEMPTS = 5

/** An address that may be downloaded from: https, or http on this machine. Addresses in messages have no query, which may be a secret. */
export function downloadable(url: URL): boolean {
  return (
    url.protocol === 'https:' ||
    (url.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname))
  )
}

export const shownAddress = (url: URL): string => `${url.origin}${url.pathname}`

export async function downloadHttps(url: URL, part: DownloadPart, options: HttpsOptions): Promise<void> {
  const { signal, retryMs = 500 } = options
  const notes = await part.notes()
  // Continued only if it was to become the same file; where it came from does not matter then.
  if (notes['sha256'] !== options.sha256) await rm(part.data, { force: true })
  const validator = notes['url'] === url.href && typeof notes['validator'] === 'string' ? notes['validator'] : undefined
  const state: State = { url, part, options, validator }
  for (let failures = 0, before = await size(part.data); ; ) {
    try {
      await fetchRest(state)
      return
    } catch (error) {
      if (signal.aborted) throw cancelled()
      if (error instanceof LongreadError) throw error
      const now = await size(part.data)
      failures = now > before ? 1 : failures + 1
      before = now
      if (failures >= ATTEMPTS)
        throw downloadFailed(
          shownAddress(url),
          `${reason(error)}; what is here so far is kept, run the command again to continue`,
          { cause: error },
        )
    }
    await delay(retryMs * 2 ** (failures - 1), undefined, { signal }).catch(() => {
      throw cancelled()
    })
  }
}

interface State {
  readonly url: URL
  readonly part: DownloadPart
  readonly options: HttpsOptions
  /** ETag or date of what the part holds. */
  validator: string | undefined
}

/** One request; throws a LongreadError when trying again makes no sense, and any other error when it does. */
async function fetchRest(state: State): Promise<void> {
  const { url, part, options } = state
  const { report, stallMs = 30_000 } = options
  const have = await size(part.data)
  const stalled = new AbortController()
  const timer = setTimeout(
    () => stalled.abort(new Error(`nothing came for ${Math.round(stallMs / 1000)} seconds`)),
    stallMs,
  )
  let file: FileHandle | undefined
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([options.signal, stalled.signal]),
      headers: {
        'accept-encoding': 'identity',
        ...(have > 0 ? { range: `bytes=${have}-` } : {}),
        ...(have > 0 && state.validator ? { 'if-range': state.validator } : {}),
      },
    })
    const from = await accept(response, have, state)
    if (from === 'complete') return
    const total = from + (Number(response.headers.get('content-length')) || -from)
    await options.makeSure(total - from)
    state.validator = validatorOf(response.headers)
    await stored(part, () => part.note({ url: url.href, sha256: options.sha256, validator: state.validator }))
    file = await stored(part, () => open(part.data, from > 0 ? 'r+' : 'w'))
    let at = from
    report(at, total)
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      timer.refresh()
      const writing = file
      const start = at
      await stored(part, () => writeAll(writing, chunk, start))
      at += chunk.length
      report(at, total)
    }
    if (total > 0 && at !== total) throw new Error('the connection was closed too early')
  } finally {
    clearTimeout(timer)
    await file?.close()
  }
}

/** What a response means: from which byte on it brings the file, or that all of it is here already. */
async function accept(response: Response, have: number, { url, part }: State): Promise<number | 'complete'> {
  const { status } = response
  if (!downloadable(new URL(response.url)))
    throw downloadFailed(shownAddress(url), 'it leads to an address that is not https; give another address')
  if (status === 200) return 0
  const [, start, end] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? []
  if (status === 206 && Number(start) === have) return have
  await response.body?.cancel()
  if (status === 416 && have > 0 && Number(end) === have) return 'complete'
  if (status === 416 || status === 206) {
    // What is here does not go with what is there.
    await rm(part.data, { force: true })
    throw new Error(`the server could not continue at byte ${have}`)
  }
  const answer = `the server answered ${status} ${response.statusText}`.trim()
  if (status === 408 || status === 429 || status >= 500) throw new Error(answer)
  throw downloadFailed(shownAddress(url), `${answer}; check the address`)
}

/** What If-Range takes: a strong ETag, or else the date. */
function validatorOf(headers: Headers): string | undefined {
  const etag = headers.get('etag')
  if (etag && !etag.startsWith('W/')) return etag
  return headers.get('last-modified') ?? undefined
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
  }
}

/** Runs what writes to disk: its failure is the disk's, and no reason to ask the server again. */
async function stored<T>(part: DownloadPart, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw modelNotStored(part.finished, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

const size = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0

/** fetch says only "fetch failed"; why is in its cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message
}
