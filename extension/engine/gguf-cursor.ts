/**
 * Reads the header of a GGUF file number by number, for files that may be anything: through one window of fixed size, never past
 * the end of the file or a limit, and never allocating what a length in the file asks for before that length is checked.
 */
import { readSync } from 'node:fs'
import type { LongreadError } from '../errors'

const WINDOW = 1 << 20

/** The longest header known (gemma3, 262,144 tokens with scores) has 6.5 MB; a hostile one is left after this much. */
export const MAX_HEADER = 128 << 20

/** The longest value that is really read as text; the longest known is a chat template of 100 KB. */
const MAX_TEXT = 4 << 20

export const ggufTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const

/** The types of values in a header; the position is the number in the file. */
export type GgufType = (typeof ggufTypes)[number]
export type ScalarType = Exclude<GgufType, 'string' | 'array'>

export const scalarBytes: Readonly<Record<ScalarType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
}

export class GgufCursor {
  readonly #window = Buffer.allocUnsafe(WINDOW)
  /** The file's offset of the window's first byte, and of the byte after its last. */
  #from = 0
  #to = 0

  /** @param position Offset in the file of the next byte to read. @param bad Makes the error that is thrown. */
  constructor(
    private readonly fd: number,
    private readonly fileBytes: number,
    private readonly bad: (why: string) => LongreadError,
    public position = 0,
  ) {}

  scalar(type: ScalarType): number | boolean {
    const at = this.take(scalarBytes[type])
    switch (type) {
      case 'u8':
        return this.#window.readUInt8(at)
      case 'i8':
        return this.#window.readInt8(at)
      case 'u16':
        return this.#window.readUInt16LE(at)
      case 'i16':
        return this.#window.readInt16LE(at)
      case 'u32':
        return this.#window.readUInt32LE(at)
      case 'i32':
        return this.#window.readInt32LE(at)
      case 'f32':
        return this.#window.readFloatLE(at)
      case 'bool':
        return this.#window.readUInt8(at) !== 0
      case 'u64':
        return this.#u64At(at)
      case 'i64':
        return Number(this.#window.readBigInt64LE(at))
      case 'f64':
        return this.#window.readDoubleLE(at)
    }
  }

  u32(): number {
    return this.#window.readUInt32LE(this.take(4))
  }

  /** Exact up to 2^53; beyond that about right, which is enough to be refused by any limit. */
  u64(): number {
    return this.#u64At(this.take(8))
  }

  /** A count or length that must not exceed `limit`. */
  count(what: string, limit: number): number {
    const n = this.u64()
    if (n > limit)
      throw this.bad(`${what} is ${n.toLocaleString('en')}, which no model has; it is damaged, get it again`)
    return n
  }

  text(what: string, limit = MAX_TEXT): string {
    const bytes = this.count(`the length of ${what}`, limit)
    return this.#bytes(bytes).toString('utf8')
  }

  /** A string byte by byte as characters 0 to 255: what tells tokens apart that are not valid text. */
  rawText(what: string): string {
    return this.#bytes(this.count(`the length of ${what}`, MAX_TEXT)).toString('latin1')
  }

  skip(bytes: number): void {
    this.#check(bytes)
    this.position += bytes
  }

  #u64At(at: number): number {
    return this.#window.readUInt32LE(at) + this.#window.readUInt32LE(at + 4) * 4294967296
  }

  #check(bytes: number): void {
    if (this.position + bytes > this.fileBytes)
      throw this.bad(
        `it ends in the middle of its header, after ${this.fileBytes.toLocaleString('en')} bytes: it was cut while it was copied or downloaded, get it again`,
      )
    if (this.position + bytes > MAX_HEADER)
      throw this.bad(
        `its header is longer than ${MAX_HEADER >> 20} MiB, which no model's is; it is damaged, get it again`,
      )
  }

  /** Makes the next `bytes` (at most a window) readable and steps over them. Returns where they are in the window. */
  private take(bytes: number): number {
    this.#check(bytes)
    if (this.position < this.#from || this.position + bytes > this.#to) {
      this.#from = this.position
      this.#to = this.position + this.#fill(this.#window, Math.min(WINDOW, this.fileBytes - this.position))
    }
    const at = this.position - this.#from
    this.position += bytes
    return at
  }

  #bytes(bytes: number): Buffer {
    if (bytes <= WINDOW) {
      const at = this.take(bytes)
      return this.#window.subarray(at, at + bytes)
    }
    this.#check(bytes)
    const long = Buffer.allocUnsafe(bytes)
    this.#fill(long, bytes)
    this.position += bytes
    return long
  }

  #fill(into: Buffer, bytes: number): number {
    let got = 0
    while (got < bytes) {
      const n = readSync(this.fd, into, got, bytes - got, this.position + got)
      if (n === 0) throw this.bad('it became shorter while it was read; wait until it is complete')
      got += n
    }
    return got
  }
}
