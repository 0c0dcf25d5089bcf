/** Reads a repository as one text into InfLLM's memory: from what was kept of it as far as that is the same, part by part to its end. */
import { cancellable, fromNative, type NativeInfLlm } from '../engine/addon'
import { LongreadError } from '../errors'
import type { LoadedModel } from '../recall/loaded'
import { ProgressMeter, type ProgressTools } from '../recall/progress'
import { hasCode } from '../store/folder'
import type { KeptPart, KeptStream, KeptStreams } from '../store/streams'
import { inOneStream, type FileText, type LaidOutRepository } from './layout'
import { partsOf, type Lookup, type StreamPart } from './lookup'
import { asFound, inOrder, pauses, type NamedText, type Ordered } from './order'
import { orderOf, type StreamParameters } from './parameters'

/**
 * A GPU that makes more units than this in a second has read a text again as soon as a disk brings it back: an H100 makes 3.9 GB of
 * SmolLM2-135M (168,000 tokens of 23 KB), and 2.9 GB of a model of 8 billion weights (22,000 of 131 KB).
 */
const diskBytesPerSecond = 1e9

/** Of a token's keys and values as a GPU keeps them, in half precision. */
function tokenBytes({ model }: ReadingHow['loaded']): number {
  const { layers, keyHeads, headSize } = model.info()
  return 4 * layers * keyHeads * headSize
}

/**
 * Windows from one part to the next: each part holds the window and the sinks once more, so that parts take about a twelfth more of the
 * disk than one whole. Of SmolLM2-135M 16,384 tokens, which two threads of a processor read in 70 s. And how many parts there are at most: each is a
 * file that is held open.
 */
const windowsOfPart = 16
const mostParts = 64
/** Parts that are shorter, of files that came or changed one by one: beyond so many they are read again, as one. */
const mostShort = 4

export interface Reading {
  readonly memory: NativeInfLlm
  text: LaidOutRepository
  /** How many of its files are as they were before (order.ts). */
  settled: number
  /** Tokens up to which the memory was told how they are cut: it has read them, or goes on there. */
  told: number
  /** Undefined: nothing more is kept. */
  kept: KeptStream | undefined
  parts: readonly KeptPart[]
}

export interface ReadingHow {
  readonly loaded: Pick<LoadedModel, 'addon' | 'model' | 'fingerprint'>
  readonly before: Int32Array
  /** Whether units are those of code. */
  readonly code: boolean
  /** With the folder where units rest, or without one. */
  readonly parameters: (folder: string) => StreamParameters
  readonly log: (message: string) => void
}

/** From what was kept, or from the beginning; reads nothing yet. Rejects as the memory does. */
export async function begin(
  { loaded, before, code, parameters, log }: ReadingHow,
  files: readonly FileText[],
  streams: KeptStreams | undefined,
  tools: ProgressTools,
): Promise<Reading> {
  const { addon, model, fingerprint } = loaded
  const own = parameters(streams?.folder ?? '')
  const make = () => {
    try {
      return new addon.InfLlm(model, own)
    } catch (thrown) {
      throw fromNative(thrown)
    }
  }
  let memory = make()
  // What a GPU and a processor keep, neither reads of the other.
  const { gpu } = memory.info()
  // Where a GPU's keys lie decides nothing.
  const deciding = { ...own, maxReprMegabytes: undefined }
  const kept = streams?.reading([fingerprint, code, deciding, [...before], ...(gpu ? ['gpu'] : [])])
  const known = (await kept?.read()) ?? { files: [], parts: [] }
  const ordered = orderedBy(own, files, known.files)
  const text = inOneStream(before, ordered.files)
  const names = text.files.map(({ file, digest }) => ({ file, digest }))
  const start = async (parts: readonly KeptPart[]): Promise<Reading> => {
    // What is kept of another reading stays until there is something of this one.
    if (parts.length > 0) await kept?.keepOnly({ files: names, parts }).catch(() => undefined)
    return { memory, text, settled: ordered.settled, told: parts.at(-1)?.tokens ?? 0, kept, parts }
  }
  const same = known.parts.filter((part) => part.files <= ordered.same)
  const short = shortParts(same, everyOf(own, text))
  const parts = gpu || short.length < mostShort ? same : same.slice(0, short.at(-mostShort))
  if (kept === undefined || parts.length === 0) return start([])
  const meter = new ProgressMeter('read', 'bytes', tools.progress)
  const paths = parts.map((part) => kept.path(part))
  try {
    await cancellable(addon, tools.signal, (cancel) =>
      memory.restore(paths, fingerprint, cancel, (done, total) => meter.report(done, total, 'what was kept')),
    )
    if (memory.info().tokens !== parts.at(-1)?.tokens)
      throw new LongreadError('bad-segment', 'The list of what is kept says otherwise.')
    return await start(parts)
  } catch (thrown) {
    memory.dispose()
    if (!hasCode(thrown, 'no-segment', 'bad-segment', 'disk')) throw thrown
    if (!hasCode(thrown, 'no-segment')) log('What was kept of this folder is damaged; it is read again.')
    memory = make()
    return start([])
  }
}

/** The same reading of files that have changed; undefined where what was read has. */
export function changed(
  { before, parameters }: ReadingHow,
  held: Reading,
  files: readonly FileText[],
): Reading | undefined {
  const ordered = orderedBy(parameters(''), files, held.text.files)
  const text = inOneStream(before, ordered.files)
  if (held.told > tokensUpTo(text, ordered.same)) return undefined
  const settled = ordered.same === held.text.files.length ? held.settled : ordered.settled
  return { ...held, text, settled }
}

/**
 * Reads to the end, or to that of the first `most` files; gives the tokens that were read now, and in how many seconds. Rejected with
 * `cancelled`, it can be gone on with; after anything else the memory is good for nothing.
 */
export async function readOn(
  { loaded, code, parameters }: ReadingHow,
  held: Reading,
  tools: ProgressTools,
  most = Infinity,
): Promise<{ readonly tokens: number; readonly seconds: number }> {
  const { memory, text } = held
  const { gpu, tokens: first } = memory.info()
  const all = text.files.length
  const whole = most >= all
  const total = (whole ? text.tokens.length : tokensUpTo(text, most)) - first
  const own = parameters('')
  const every = everyOf(own, text)
  const meter = new ProgressMeter('read', 'tokens', tools.progress)
  let seconds = 0
  for (const files of stepsOf(held, first, gpu || held.kept === undefined ? Infinity : every, most)) {
    const to = tokensUpTo(text, files)
    const started = performance.now()
    for (const part of callsOf(held, memory.info().tokens, to, own.lookup, code)) {
      const from = memory.info().tokens
      held.told = Math.max(held.told, from + part.tokens.length)
      await cancellable(loaded.addon, tools.signal, (cancel) =>
        memory.read({ ...part, rows: none, trace: false }, cancel, (read) => meter.report(from + read - first, total)),
      )
    }
    const read = performance.now()
    seconds += (read - started) / 1000
    // Too quick a GPU keeps nothing, and it keeps all at once.
    const slow = !gpu || (files === all && ((to - first) * tokenBytes(loaded)) / seconds < diskBytesPerSecond)
    // What ends here because it was broken off is kept with what follows.
    const since = to - (held.parts.at(-1)?.tokens ?? 0)
    const due = since >= every || files === all || files === held.settled
    const many = since < every && !gpu && shortParts(held.parts, every).length >= mostShort
    if (whole && slow && due && !many) await keep(held, files, loaded, tools)
    meter.skip(performance.now() - read)
  }
  return { tokens: memory.info().tokens - first, seconds }
}

const none = new Int32Array()

/** Tokens from one part to the next. */
const everyOf = ({ nLocal }: StreamParameters, text: LaidOutRepository): number =>
  Math.max(windowsOfPart * nLocal, Math.ceil(text.tokens.length / mostParts))

/** Which are shorter. */
const shortParts = (parts: readonly KeptPart[], every: number): number[] =>
  parts.flatMap(({ tokens }, i) => (tokens - (parts[i - 1]?.tokens ?? 0) < every ? [i] : []))

async function keep(
  held: Reading,
  files: number,
  { addon, fingerprint }: ReadingHow['loaded'],
  tools: ProgressTools,
): Promise<void> {
  const { kept, memory, text } = held
  if (!kept) return
  const names = text.files.map(({ file, digest }) => ({ file, digest }))
  const part = kept.part(names.slice(0, files), tokensUpTo(text, files))
  const parts = memory.info().gpu ? [part] : [...held.parts, part]
  const meter = new ProgressMeter('read', 'bytes', tools.progress)
  const save = () =>
    cancellable(addon, tools.signal, (cancel) =>
      memory.save(kept.path(part), fingerprint, cancel, (done, total) => meter.report(done, total, 'kept on disk')),
    )
  if (await kept.keep(save, { files: names, parts })) held.parts = parts
  else held.kept = undefined
}

/** Up to which files it is read, one step after the other: first what the memory was told of and has not read, or not kept. */
function stepsOf({ text, told, settled, parts }: Reading, read: number, every: number, most: number): number[] {
  const { files } = text
  if (files.length === 0) return read === 0 ? [0] : []
  const begun = told > (parts.at(-1)?.tokens ?? 0) ? [files.findIndex(({ to }) => to === told) + 1] : []
  const steps = [...begun, ...pauses(files, settled, told, every)]
  return most >= files.length ? steps : [...begun, ...(tokensUpTo(text, most) > told ? [most] : [])]
}

const tokensUpTo = (text: LaidOutRepository, files: number): number =>
  files === 0 ? (text.lengths[0] ?? 0) : (text.files[files - 1]?.to ?? 0)

const orderedBy = <T extends NamedText>(
  own: StreamParameters,
  found: readonly T[],
  before: readonly NamedText[],
): Ordered<T> => (orderOf(own) === 'imports' ? asFound(found, before) : inOrder(found, before))

/** What is read from one token to another, which is a file's last, call by call; the memory goes on with what it was told of. */
function callsOf({ text, told }: Reading, from: number, to: number, lookup: Lookup, code: boolean): StreamPart[] {
  const { tokens } = text
  const lengths = code ? text.lengths : none
  const calls: StreamPart[] = []
  const add = (start: number, part: StreamPart) => {
    const end = Math.min(to, start + part.tokens.length)
    if (end <= from || start >= to) return
    const begun = Math.max(start, from)
    const cut = told > begun ? none : part.lengths
    calls.push({ ...part, tokens: tokens.subarray(begun, end), lengths: cut })
  }
  if (lookup === 'all') {
    const [first, last] = [lengthsUpTo(text, from), lengthsUpTo(text, to)]
    add(from, { tokens: tokens.subarray(from, to), lengths: lengths.subarray(first, last) })
    return calls
  }
  let start = 0
  for (const part of partsOf({ ...text, lengths }, lookup)) {
    add(start, part)
    start += part.tokens.length
  }
  return calls
}

/** Of what ends at this token; where nothing does, the memory was told before. */
const lengthsUpTo = (text: LaidOutRepository, tokens: number): number =>
  tokens === 0 ? 0 : tokens === text.lengths[0] ? 1 : (text.files.find(({ to }) => to === tokens)?.units[1] ?? 0)
