/**
 * Reading one file of the workspace: decides by its content whether it is source that may be read, and gives its text.
 * Line ends stay as they are, so that lines count as an editor counts them.
 */
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import path from 'node:path'
import { defaultMaxFileBytes, generatedMark, minified, oversized } from './exclusions'
import { secretByName, secretInText } from './secrets'

export interface ReadOptions {
  readonly maxFileBytes?: number | undefined
  /** Someone asked for this file by name (SourceFile.wanted): it is read although it is generated, minified or much data. */
  readonly wanted?: boolean | undefined
  /** True for a text that was looked through for secrets before, by the rules of today (`secretRules`). */
  readonly isClean?: ((text: string) => boolean) | undefined
}

export type Source = { readonly text: string } | { readonly skipped: string }

/** Reads a file (relative to the root, with forward slashes). Whatever stands in the way is a reason, not an error. */
export async function readSource(root: string, file: string, options: ReadOptions = {}): Promise<Source> {
  const named = secretByName(file)
  if (named !== undefined) return { skipped: secretReason(named) }
  try {
    const wanted = options.wanted === true
    const content = await readInside(root, file, (size) =>
      oversized(file, size, options.maxFileBytes ?? defaultMaxFileBytes, wanted),
    )
    return typeof content === 'string' ? { skipped: content } : await judge(file, content, wanted, options.isClean)
  } catch (error) {
    return { skipped: failureReason(error, file) }
  }
}

/**
 * A file's text as it is on disk; empty where it has gone. Looked at as when it was read: it may have become a link to elsewhere, or
 * gained a secret, since.
 */
export async function savedText(root: string, file: string, isClean?: ReadOptions['isClean']): Promise<string> {
  const source = await readSource(root, file, { wanted: true, isClean })
  return 'text' in source ? source.text : ''
}

async function judge(file: string, content: Buffer, wanted: boolean, isClean: ReadOptions['isClean']): Promise<Source> {
  const text = decode(content)
  return text === undefined ? { skipped: 'binary' } : judgeText(file, text, { wanted, isClean })
}

/** The same for a text that an editor holds and nobody has saved. */
export async function judgeText(file: string, text: string, { wanted, isClean }: ReadOptions): Promise<Source> {
  const named = secretByName(file)
  if (named !== undefined) return { skipped: secretReason(named) }
  if (!/\S/.test(text)) return { skipped: 'empty' }
  if (text.startsWith('version https://git-lfs.github.com/spec/')) return { skipped: 'kept elsewhere by Git LFS' }
  if (wanted !== true) {
    const long = minified(file, text)
    if (long !== undefined) return { skipped: `minified: ${long}` }
    const mark = generatedMark(text)
    if (mark !== undefined) return { skipped: `generated: line ${mark} says so` }
  }
  const secret = isClean?.(text) === true ? undefined : await secretInText(file, text)
  return secret === undefined ? { text } : { skipped: `secret: ${secret.what} (line ${secret.line})` }
}

/** The bytes of a regular file that truly lies inside the root, or why not. */
async function readInside(
  root: string,
  file: string,
  tooBig: (size: number) => string | undefined,
): Promise<Buffer | string> {
  const realRoot = await realpath(root)
  const full = path.join(realRoot, file)
  // A folder on the way may have become a link since the file was found.
  if (!isInside(realRoot, full) || (await realpath(full)) !== full) return 'link that leads elsewhere'
  const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return notRegular
    return tooBig(stats.size) ?? (await handle.readFile())
  } finally {
    await handle.close()
  }
}

/** The text of a file, or undefined where it is binary. Bytes that are no UTF-8 become U+FFFD. */
export function decode(content: Buffer): string | undefined {
  const [first, second] = content
  const utf16 =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : undefined
  if (utf16 !== undefined) {
    const text = new TextDecoder(utf16).decode(content)
    // UTF-32 begins alike, and so may anything binary.
    return text.includes('\0') ? undefined : text
  }
  // Git's rule is a zero byte among the first 8,000; files of this size are searched whole as quickly.
  if (content.includes(0) || content.subarray(0, 5).equals(Buffer.from('%PDF-'))) return undefined
  const head = content.subarray(0, 8000)
  let control = 0
  for (const byte of head) {
    // Tab to carriage return, backspace and escape occur in text (form feeds, terminal colours).
    if ((byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b) || byte === 0x7f) control++
  }
  return control * 10 > head.length ? undefined : new TextDecoder().decode(content)
}

export const notRegular = 'not a regular file'

export const secretReason = (what: string) => `secret: ${what} (by its name)`

/** Whether a path lies in the folder or is it. Both absolute and without links. */
export function isInside(folder: string, file: string): boolean {
  const relative = path.relative(folder, file)
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)
}

/** What a failed call to the file system means for the file it was about. */
export function failureReason(error: unknown, file: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // Node gives names that are no UTF-8 with U+FFFD in them, and under that name there is no file.
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return file.includes('\ufffd') ? 'its name is not UTF-8' : 'gone while reading'
  if (code === 'EACCES' || code === 'EPERM') return 'cannot be read: permission denied'
  if (code === undefined) throw error
  return `cannot be read: ${code}`
}
