/**
 * Reads the header of a GGUF file: metadata and where each tensor is. A file may be cut, damaged, hostile or something else
 * entirely; whatever it is, reading ends with a header in which every number was checked, or with one `bad-model` error.
 * Checks at least what ggml checks (gguf.cpp), as ggml is given the same file next and some of its answers are aborts.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { badModel, type LongreadError } from '../errors'
import { ggufTypes, GgufCursor, scalarBytes, type GgufType, type ScalarType } from './gguf-cursor'
import { tensorTypes, type TensorType } from './tensor-types'

export type GgufValue =
  | { readonly type: ScalarType; readonly value: number | boolean }
  | { readonly type: 'string'; readonly value: string }
  | GgufArray

/** A list in the metadata; its elements stay in the file (`readStrings`, `readIntegers`), as a vocabulary is megabytes. */
export interface GgufArray {
  readonly type: 'array'
  readonly of: Exclude<GgufType, 'array'>
  readonly count: number
  /** Offset in the file of the first element. */
  readonly offset: number
}

export interface GgufTensor {
  readonly name: string
  readonly type: TensorType
  /** Columns first: a matrix of R rows with C values each is [C, R]. */
  readonly shape: readonly number[]
  /** Offset in the file. */
  readonly offset: number
  readonly bytes: number
}

export interface GgufHeader {
  readonly path: string
  readonly version: number
  /** Size of the file. */
  readonly bytes: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: ReadonlyMap<string, GgufTensor>
  /** Offset in the file where the header ends and tensors begin. */
  readonly dataOffset: number
}

// ggml compares every name with every other, so these also bound its time. 1,000 layers have at most 16 tensors each.
const MAX_KEYS = 4096
const MAX_TENSORS = 20_000
/** GGML_MAX_NAME and GGML_MAX_DIMS of ggml.h. */
const MAX_TENSOR_NAME = 63
const MAX_DIMENSIONS = 4
const MAX_KEY = 65_535
const MAX_ELEMENTS = 1 << 30

/** Text out of a file as it may be shown: short, on one line, without what a terminal would obey. */
export const printable = (text: string, limit = 80): string => {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029\uFFFD]/gu, '?')
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean
}

/** Opens a file for `read`, as a regular file of known size; anything that goes wrong is one `bad-model` error. */
export function withModelFile<T>(path: string, read: (fd: number, bytes: number) => T): T {
  let fd: number | undefined
  try {
    // Without waiting: opening a pipe would block until someone writes to it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw badModel(path, 'it is not a file; give a file whose name ends in .gguf')
    return read(fd, stats.size)
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw badModel(path, `it cannot be read (${error.message})`)
    throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

export function readGguf(path: string): GgufHeader {
  const bad = (why: string) => badModel(path, why)
  return withModelFile(path, (fd, bytes) => {
    const cursor = new GgufCursor(fd, bytes, bad)
    const version = readStart(cursor, bytes, bad)
    const tensorCount = cursor.count('its number of tensors', MAX_TENSORS)
    const keyCount = cursor.count('its number of metadata entries', MAX_KEYS)
    const metadata = new Map<string, GgufValue>()
    for (let i = 0; i < keyCount; ++i) {
      const key = cursor.text('a metadata key', MAX_KEY)
      if (metadata.has(key))
        throw bad(`the metadata entry "${printable(key)}" is there twice; it is damaged, get it again`)
      metadata.set(key, readValue(cursor, key, bad))
    }
    const alignment = readAlignment(metadata, bad)
    const infos: TensorInfo[] = []
    for (let i = 0; i < tensorCount; ++i) infos.push(readTensorInfo(cursor, bad))
    const dataOffset = padded(cursor.position, alignment)
    return { path, version, bytes, metadata, dataOffset, tensors: place(infos, dataOffset, alignment, bytes, bad) }
  })
}

/** The elements of a list of strings, bytes as characters 0 to 255. */
export function readStrings(header: GgufHeader, array: GgufArray): string[] {
  return readElements(header, array, (cursor) => cursor.rawText('a string of a list'))
}

export function readIntegers(header: GgufHeader, array: GgufArray): number[] {
  const { of } = array
  if (of === 'string')
    throw badModel(header.path, 'it has text where numbers are expected; it is damaged, get it again')
  return readElements(header, array, (cursor) => Number(cursor.scalar(of)))
}

function readElements<T>(header: GgufHeader, array: GgufArray, read: (cursor: GgufCursor) => T): T[] {
  return withModelFile(header.path, (fd, bytes) => {
    const cursor = new GgufCursor(fd, bytes, (why) => badModel(header.path, why), array.offset)
    const elements: T[] = []
    for (let i = 0; i < array.count; ++i) elements.push(read(cursor))
    return elements
  })
}

type Bad = (why: string) => LongreadError

/** What else a file may be that people take for a model, by its first bytes. */
const mistaken: readonly (readonly [string, string])[] = [
  ['<!DOCTYPE', 'it is a web page; copy the address of the file itself and download that'],
  ['<!doctype', 'it is a web page; copy the address of the file itself and download that'],
  ['<html', 'it is a web page; copy the address of the file itself and download that'],
  ['version https://git-lfs', 'it is a Git LFS pointer and not the file it points to; run "git lfs pull" there'],
  ['PK\x03\x04', 'it is a zip or PyTorch file, not GGUF; get the model as GGUF'],
  ['ggjt', 'it is of the old GGML format; get the model as GGUF'],
  ['tjgg', 'it is of the old GGML format; get the model as GGUF'],
  ['lmgg', 'it is of the old GGML format; get the model as GGUF'],
  ['\x1f\x8b', 'it is compressed with gzip; unpack it first'],
]

function readStart(cursor: GgufCursor, bytes: number, bad: Bad): number {
  if (bytes === 0) throw bad('it is empty; get it again')
  if (bytes < 24) throw bad(`it has only ${bytes} bytes; get it again`)
  const start = Buffer.alloc(24)
  for (let i = 0; i < start.length; ++i) start.writeUInt8(Number(cursor.scalar('u8')), i)
  if (start.toString('latin1', 0, 4) !== 'GGUF') {
    const text = start.toString('latin1')
    const known = mistaken.find(([first]) => text.startsWith(first))
    if (known) throw bad(known[1])
    if (text.startsWith('{"', 8)) throw bad('it is a safetensors file, not GGUF; get the model as GGUF')
    throw bad('it is not a GGUF file (it does not begin with "GGUF")')
  }
  cursor.position = 4
  const version = cursor.u32()
  if ((version & 0xffff) === 0 && version !== 0)
    throw bad('its numbers are stored big-endian, for another kind of machine; get the little-endian file')
  if (version !== 2 && version !== 3)
    throw bad(`it is GGUF version ${version}, and Longread reads 2 and 3; get a newer conversion of the model`)
  return version
}

function readType(cursor: GgufCursor, key: string, bad: Bad): GgufType {
  const number = cursor.u32()
  const type = ggufTypes[number]
  if (type === undefined)
    throw bad(`the metadata entry "${printable(key)}" is of the unknown type ${number}; it is damaged, get it again`)
  return type
}

function readValue(cursor: GgufCursor, key: string, bad: Bad): GgufValue {
  const type = readType(cursor, key, bad)
  if (type === 'string') return { type, value: cursor.text(`"${printable(key)}"`) }
  if (type !== 'array') return { type, value: cursor.scalar(type) }
  const of = readType(cursor, key, bad)
  if (of === 'array')
    throw bad(`the metadata entry "${printable(key)}" is a list of lists; it is damaged, get it again`)
  const count = cursor.count(`the length of the list "${printable(key)}"`, MAX_ELEMENTS)
  const offset = cursor.position
  // Steps over the elements; a string costs its length's eight bytes at least, so the file's size bounds the time.
  if (of !== 'string') cursor.skip(count * scalarBytes[of])
  else for (let i = 0; i < count; ++i) cursor.skip(cursor.u64())
  return { type, of, count, offset }
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>, bad: Bad): number {
  const entry = metadata.get('general.alignment')
  if (!entry) return 32
  const { type } = entry
  const value = type === 'u32' ? Number(entry.value) : 0
  // A power of two; ggml pads to it with 32-bit arithmetic, and no writer uses more than a page.
  if (value < 1 || value > 1 << 20 || (value & (value - 1)) !== 0)
    throw bad('its alignment is not a power of two; it is damaged, get it again')
  return value
}

interface TensorInfo extends Omit<GgufTensor, 'offset'> {
  /** Offset after the header, as the file says. */
  readonly relative: number
}

function readTensorInfo(cursor: GgufCursor, bad: Bad): TensorInfo {
  const name = cursor.text("a tensor's name", MAX_TENSOR_NAME)
  const shown = printable(name)
  const dimensions = cursor.u32()
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS)
    throw bad(`its tensor ${shown} has ${dimensions} dimensions; it is damaged, get it again`)
  const shape: number[] = []
  let values = 1
  for (let i = 0; i < dimensions; ++i) {
    const n = cursor.u64()
    shape.push(n)
    values *= n
  }
  if (!Number.isSafeInteger(values) || values < 1 || !shape.every(Number.isSafeInteger))
    throw bad(`its tensor ${shown} has the impossible shape ${shape.join(' × ')}; it is damaged, get it again`)
  const number = cursor.u32()
  const type = tensorTypes.get(number)
  if (!type)
    throw bad(`its tensor ${shown} is stored in format ${number}, which Longread does not know; get another format`)
  if ((shape[0] ?? 0) % type.block !== 0)
    throw bad(`its tensor ${shown} has rows of ${shape[0]} values, and ${type.name} stores ${type.block} at a time`)
  return { name, type, shape, bytes: (values / type.block) * type.bytes, relative: cursor.u64() }
}

const padded = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment

/** Tensors lie one after the other in the order of the header, each padded: so ggml demands, and so none can overlap. */
function place(
  infos: readonly TensorInfo[],
  dataOffset: number,
  alignment: number,
  fileBytes: number,
  bad: Bad,
): ReadonlyMap<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>()
  let expected = 0
  for (const { relative, ...info } of infos) {
    const shown = printable(info.name)
    if (tensors.has(info.name)) throw bad(`its tensor ${shown} is there twice; it is damaged, get it again`)
    if (relative !== expected) throw bad(`its tensor ${shown} is not where it should be; it is damaged, get it again`)
    const offset = dataOffset + relative
    if (!(offset + info.bytes <= fileBytes))
      throw bad(
        `it is cut: it has ${fileBytes.toLocaleString('en')} bytes and its tensor ${shown} would end at ${(offset + info.bytes).toLocaleString('en')}; get it again`,
      )
    tensors.set(info.name, { ...info, offset })
    expected = padded(relative + info.bytes, alignment)
  }
  return tensors
}
