/**
 * The bank: what a profile's reference questions ask of every head. A unit's statistics over it are taken while the unit is read.
 * Hearing it takes seconds, so it is kept beside the segments, named by what it depends on and checked by its own hash.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as path from 'node:path'
import type { Progress } from '../protocol/types'
import { writeWhole } from '../store/whole-file'
import type { LoadedModel } from './loaded'
import { headsOf, profileKey } from './profile'
import { ProgressMeter } from './progress'
import { hear, type HeardQuestion } from './question'

/** Reference questions' queries, as the native reader wants them: [head][all their tokens][head size], and tokens by question. */
export interface Bank {
  readonly queries: Float32Array
  readonly tokens: Uint32Array
}

export interface BankOptions {
  /** Where the bank is kept, or null. */
  readonly folder: string | null
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
}

/** Every so manieth question of a bank of so many heads. */
export function thinned({ queries, tokens }: Bank, heads: number, every: number): Bank {
  const rows = tokens.reduce((sum, n) => sum + n, 0)
  const size = rows > 0 ? queries.length / (heads * rows) : 0
  const parts: Float32Array[] = []
  for (let head = 0; head < heads; head++) {
    let at = head * rows
    tokens.forEach((n, question) => {
      if (question % every === 0) parts.push(queries.subarray(at * size, (at + n) * size))
      at += n
    })
  }
  const thin = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    thin.set(part, at)
    at += part.length
  }
  return { queries: thin, tokens: tokens.filter((_, question) => question % every === 0) }
}

/** What a loaded model heard before in this process, for another workspace. */
const heardBefore = new WeakMap<LoadedModel, Bank>()

/** The bank from disk, or heard now and then kept. A bank that cannot be kept is only heard again. */
export async function bankOf(loaded: LoadedModel, options: BankOptions): Promise<Bank> {
  const name = createHash('sha256').update(JSON.stringify([loaded.fingerprint, profileKey(loaded.profile)]))
  const file = options.folder === null ? null : path.join(options.folder, `${name.digest('hex')}.bank`)
  const kept = file === null ? undefined : unpack(await readFile(file).catch(() => Buffer.alloc(0)))
  if (kept?.tokens.length === loaded.profile.bank.length) return kept
  const meter = new ProgressMeter('load', 'units', options.progress)
  const bank =
    heardBefore.get(loaded) ??
    (await hearBank(loaded, options.signal, (heard) => meter.report(heard, loaded.profile.bank.length)))
  heardBefore.set(loaded, bank)
  // A full disk is told when the first segment meets it.
  if (file !== null) await writeWhole(file, pack(bank)).catch(() => undefined)
  return bank
}

export async function hearBank(
  loaded: LoadedModel,
  signal?: AbortSignal,
  onHeard: (questions: number) => void = () => undefined,
): Promise<Bank> {
  const { profile, model } = loaded
  const size = model.info().headSize
  const heads = headsOf(profile).length
  const heard: HeardQuestion[] = []
  for (const text of profile.bank) {
    heard.push(await hear(loaded, text, signal))
    onHeard(heard.length)
  }
  const counts = Uint32Array.from(heard, ({ tokens }) => tokens)
  const all = counts.reduce((sum, n) => sum + n, 0)
  const queries = new Float32Array(heads * all * size)
  for (let head = 0; head < heads; head++) {
    let row = 0
    for (const { queries: from, tokens } of heard) {
      queries.set(from.subarray(head * tokens * size, (head + 1) * tokens * size), (head * all + row) * size)
      row += tokens
    }
  }
  return { queries, tokens: counts }
}

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

/** SHA-256 of the rest (32 bytes), questions (U32), their tokens (U32 each), queries (F32). */
export function pack({ queries, tokens }: Bank): Buffer {
  const body = Buffer.concat([
    Buffer.from(Uint32Array.of(tokens.length).buffer),
    Buffer.from(tokens.buffer, tokens.byteOffset, tokens.byteLength),
    Buffer.from(queries.buffer, queries.byteOffset, queries.byteLength),
  ])
  return Buffer.concat([digest(body), body])
}

/** Undefined when it is missing, cut or damaged. */
export function unpack(bytes: Buffer): Bank | undefined {
  const body = bytes.subarray(32)
  if (body.length < 4 || !digest(body).equals(bytes.subarray(0, 32))) return undefined
  // Copied, so that numbers lie where their size wants them.
  const numbers = body.buffer.slice(body.byteOffset, body.byteOffset + body.length)
  const questions = new Uint32Array(numbers, 0, 1)[0] ?? 0
  return { tokens: new Uint32Array(numbers, 4, questions), queries: new Float32Array(numbers, 4 + 4 * questions) }
}
