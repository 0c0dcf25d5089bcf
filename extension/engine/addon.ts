/**
 * The typed surface of the native addon (native/addon) and nothing else. Arrays are row-major; heads are query heads, key
 * heads are the groups of them that share keys. A rejected call carries `code`, one of extension/errors.ts.
 */
import { createRequire } from 'node:module'
import * as path from 'node:path'
import { engineMissing, gpuUnfit, LongreadError } from '../errors'
import type { Device } from '../protocol/types'

export interface Head {
  readonly layer: number
  readonly head: number
}

export interface ModelInfo {
  readonly architecture: string
  readonly name: string
  readonly layers: number
  readonly heads: number
  readonly keyHeads: number
  readonly headSize: number
  readonly embedding: number
  readonly vocabulary: number
  /** Tokens of context the model was trained for. */
  readonly trainedContext: number
  /** Bytes of the weights in memory, after transcoding. */
  readonly weightBytes: number
  readonly weightFormat: string
  readonly loadSeconds: number
  /** Which build of ggml's CPU code runs (`zen4`, `haswell`, …). */
  readonly cpu: string
  readonly device: Device
  /** The token that every text starts with, or -1. */
  readonly beginToken: number
  /** Whether it has a chat template that is known; a base model has none. */
  readonly chats: boolean
  /** Tokens that are best read by one call of `readMany`; 0 where one episode after the other is as quick. */
  readonly together: number
  /** Why our own CUDA kernels are not used, where LoadOptions names them: a line. Otherwise empty. */
  readonly kernels: string
}

/** Seen by the computing threads within milliseconds: a call given one rejects with code `cancelled`. */
export interface NativeCancel {
  cancel(): void
}

export interface LoadOptions {
  readonly path: string
  /**
   * Of matrices: `fast` is what is quickest on the device (Q8_0 on a processor), `file` keeps the formats of the file, `fp8` is as
   * `fast`, but where our own CUDA kernels read they multiply 8-bit numbers.
   */
  readonly weights: 'fast' | 'file' | 'fp8' | 'q8_0' | 'f16'
  /** 0: as many as there are cores. */
  readonly threads: number
  /** Folder of ggml's prebuilt libraries. */
  readonly libraries: string
  /** `cuda` only after `findCuda` found it. Default `cpu`. */
  readonly device?: 'cpu' | 'cuda'
  /** Our own CUDA kernels (longread-cuda.so) and cuBLASLt: with them many episodes are read together, where they can be used. */
  readonly kernels?: string
  readonly cublas?: string
  /** Layers on the GPU, the first ones; one more than there are: embeddings and output, too. Default: as many as fit. */
  readonly gpuLayers?: number
}

/** F16, or 8 bit with one scale a token and key head. */
export type KeyFormat = 'f16' | 'q8'

export interface EpisodeTokens {
  /** The whole episode: header, breadcrumbs, units. */
  readonly tokens: Int32Array
  /** Start and end token of each unit (end exclusive), pairs; tokens outside every unit are read but not remembered. */
  readonly units: Uint32Array
}

export interface EpisodeOptions extends EpisodeTokens {
  readonly heads: readonly Head[]
  readonly window: number
  readonly sinks: number
  readonly keyFormat: KeyFormat
  /** Reference questions: [head][all their tokens][head size] as `queries` gives them, and the tokens of each. */
  readonly bank?: { readonly queries: Float32Array; readonly tokens: Uint32Array }
}

/** What stays of an episode. */
export interface NativeEpisode {
  /** Tokens remembered, in units. */
  readonly tokens: number
  readonly units: number
  /** Bytes of keys and statistics. */
  readonly bytes: number
  /**
   * Writes an immutable segment: to `aside` (on the same file system, new), synced, then renamed to `path`, and the folder
   * synced; when it resolves, the segment outlives a crash. Rejects with code `disk`; nothing is left half-written.
   */
  save(path: string, aside: string, metadata: string): Promise<void>
  /** False when the keys on disk are no longer what was written. */
  check(): Promise<boolean>
  /**
   * Its units in a new order: `units[i]` is one of its units, or -1 for one without tokens that attention neither finds nor
   * hides. Throws bad-segment when it is damaged.
   */
  pick(units: Int32Array): NativeEpisode
}

/** A lock on a file, which it makes (0600); the system takes it back when the process ends, however it ends. */
export interface NativeLock {
  /** False when another holder is in the way; `exclusive`: nobody else holds it in any way. Never waits. */
  take(exclusive: boolean): boolean
  release(): void
}

export interface GenerateOptions {
  readonly tokens: Int32Array
  /** 0: always the most likely token. */
  readonly temperature: number
  readonly topP: number
  readonly seed: number
  readonly maxTokens: number
  /** Spans of the prompt (start, end pairs) whose attention is reported with every token. */
  readonly watch: Uint32Array
  readonly watchHeads: readonly Head[]
}

export interface GeneratedToken {
  readonly token: number
  /** UTF-8; may be a part of a character. */
  readonly piece: Uint8Array
  /** [watched head][span]: share of this token's attention that each span got. */
  readonly attention: Float32Array
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface NativeModel {
  info(): ModelInfo
  /** No begin token is added. Repository text is never parsed for special tokens. */
  tokenize(text: string, parseSpecial: boolean): Int32Array
  /** As `tokenize`, on another thread: the texts' tokens one after the other, and how many each has. */
  tokenizeMany(
    texts: readonly string[],
    parseSpecial: boolean,
  ): Promise<{ readonly tokens: Int32Array; readonly counts: Uint32Array }>
  detokenize(tokens: Int32Array): string
  /** The model's own chat template applied, ending where the assistant speaks. Only for models that chat. */
  chat(messages: readonly ChatMessage[]): string
  /**
   * Where words lie in the model's embeddings, less what all tokens have in common: vectors of length 1, [word][embedding],
   * zeros for a word without tokens. `tokens` are the words' one after the other, `counts` how many each has.
   */
  wordVectors(tokens: Int32Array, counts: Uint32Array): Promise<Float32Array>
  /** Queries for the tokens from `from` on, rotated to one distance and scaled: [head][token][head size]. */
  queries(
    tokens: Int32Array,
    from: number,
    heads: readonly Head[],
    distance: number,
    cancel: NativeCancel,
  ): Promise<Float32Array>
  /** `progress` gets the tokens read so far. */
  read(options: EpisodeOptions, cancel: NativeCancel, progress: (tokens: number) => void): Promise<NativeEpisode>
  /** What `read` gives of each episode, in their order; `progress` gets the tokens read of all of them. All or none. */
  readMany(
    episodes: readonly EpisodeTokens[],
    options: Omit<EpisodeOptions, keyof EpisodeTokens>,
    cancel: NativeCancel,
    progress: (tokens: number) => void,
  ): Promise<NativeEpisode[]>
  /**
   * Nats a token of `target` after each prefix; NaN for what was not reached in `seconds` (the first always is). What was read of
   * the prefixes is kept, so that another target after them costs its own tokens only. Where `together` is above 0, all are read in one
   * go by our own kernels instead, whatever time that takes.
   */
  likelihood(
    prefixes: readonly Int32Array[],
    target: Int32Array,
    seconds: number,
    cancel: NativeCancel,
    progress: (done: number) => void,
  ): Promise<Float32Array>
  /** Bytes that what was read of prefixes may take (default 128 MiB); waits for a running call. */
  keepPrefixes(bytes: number): void
  /** [row][vocabulary] for the given positions. */
  logits(tokens: Int32Array, rows: Int32Array, cancel: NativeCancel): Promise<Float32Array>
  /** The listener gets how many tokens of the prompt are read, then token after token. */
  generate(
    options: GenerateOptions,
    cancel: NativeCancel,
    listener: (prefilled: number | undefined, token?: GeneratedToken) => void,
  ): Promise<'stop' | 'length'>
  /**
   * Has a GPU's driver make ready what reading and answering need of ggml's kernels (native/engine/warm-up.h), beside all other calls;
   * nothing on a processor. `progress` gets, step by step, whether files can be read without waiting for that.
   */
  warmUp(watchHeads: readonly Head[], cancel: NativeCancel, progress: (reads: boolean) => void): Promise<void>
  /** A running call keeps the model until it ends. */
  dispose(): void
}

export interface Scores {
  /** [head][query token][unit]: log-sum-exp of q·k over the unit's keys, -Infinity for a unit without tokens. */
  readonly masses: Float32Array
  /** [head][unit]: over the reference questions, of the mean mass of their tokens. */
  readonly bankMean: Float32Array
  readonly bankDeviation: Float32Array
}

/** What a question made of the units of an arrangement. */
export interface NativeRanked {
  /** A z-score for each unit, as attention.ts says. */
  scores(): Float32Array
  /** What each token of the question finds in the chosen units: [chosen][token], as `tokenFinds` of attention.ts gives it. */
  finds(chosen: Int32Array): Float32Array
  /** Gives its memory back before it is collected. */
  dispose(): void
}

/** Words by where they lie in a model's embeddings (wordVectors), 8 bits a number. */
export interface NativeWords {
  /** Adds words as `wordVectors` has them. */
  add(tokens: Int32Array, counts: Uint32Array): Promise<void>
  /**
   * Of each of the asked words, by number, its nearest others: their numbers and the products of the vectors (1 is 254 * 254), pairs, at
   * most so many, nearest first, from a likeness of `least` on. Only words whose place is not below 0 are found; of equally near ones the
   * one with the lower place comes first. `places` are by word.
   */
  near(asked: Int32Array, places: Int32Array, least: number, most: number, threads: number): Promise<Int32Array[]>
}

/** What was read of files, for one list of heads. */
export interface NativeStore {
  bytes(): number
  /** Throws bad-segment when the episode was read for other heads or kept in another format. */
  put(file: string, episode: NativeEpisode): void
  remove(file: string): void
  /** Throws usage when the file is not held. */
  get(file: string): NativeEpisode
  /**
   * Bytes up to which keys that are mapped from disk stay in memory between questions (default 2 GiB); of a larger store they are
   * given back as soon as they were used.
   */
  keepResident(bytes: number): void
  /** Files whose keys on disk a question found damaged, since this was last asked. */
  takeDamaged(): string[]
  /** True when the keys are more than what may stay in memory, and no GPU has room for all of them. */
  overflows(): boolean
  /**
   * As `score`, but estimated from sketches of the keys, 4 bits for each of 16 numbers, that stay in memory. Segments that have none
   * get one first, for which all their keys are read; `progress` gets how many have one. `bank` is a part of the reference questions.
   */
  estimate(
    files: readonly string[],
    queries: Float32Array,
    tokens: number,
    bank: Float32Array,
    bankTokens: Uint32Array,
    threads: number,
    cancel: NativeCancel,
    progress: (segments: number) => void,
  ): Promise<Scores>
  /** Exact masses of some units, numbered among all units of the files, rising: [head][query token][chosen unit]. */
  scoreUnits(
    files: readonly string[],
    queries: Float32Array,
    tokens: number,
    units: Int32Array,
    threads: number,
    cancel: NativeCancel,
  ): Promise<Float32Array>
  /** From now on `rank` scores these files, one after the other, as they are held now. Throws usage for one that is not held. */
  arrange(files: readonly string[]): void
  /** Scores and z-scores all units of what was arranged last. Rejects as `score` does. */
  rank(
    queries: Float32Array,
    tokenWeights: Float32Array,
    headWeights: Float64Array,
    threads: number,
    cancel: NativeCancel,
  ): Promise<NativeRanked>
  /** Units of the files, one file after the other. Rejects with bad-segment where keys on disk are damaged. */
  score(
    files: readonly string[],
    queries: Float32Array,
    tokens: number,
    threads: number,
    cancel: NativeCancel,
  ): Promise<Scores>
}

/** InfLLM's parameters, by the names of the paper's code (native/infllm/parameters.h says what each is). */
export interface InfLlmParameters {
  readonly nInit: number
  readonly nLocal: number
  readonly blockSize: number
  readonly topk: number
  readonly reprTopk: number
  readonly maxCachedBlock: number
  readonly excBlockSize: number
  readonly perhead: boolean
  /** 0: nLocal, as in the paper. */
  readonly distance: number
  /** `one`: all at that distance, as in the paper; `ordered`: one after the other, right before the window. */
  readonly places: 'one' | 'ordered'
  readonly format: 'f32' | 'f16' | 'q8_0'
  /** Of a GPU's memory that representative keys may take; others are in the processor's, pinned. It changes nothing that is read. */
  readonly maxReprMegabytes: number
  /** Where units rest; empty: in memory. */
  readonly folder: string
}

/** What each layer used: [layer][list]; one list for all heads, or one a head; none where a layer slides by itself. */
export type UsedUnits = readonly (readonly Int32Array[])[]

/** Tokens of the question that are read; then the units that its last execution block used; then token after token. */
export interface MemoryEvent {
  readonly read?: number
  readonly units?: UsedUnits
  readonly token?: Omit<GeneratedToken, 'attention'>
}

/** Bytes that were written or read, of about how many. */
export type KeepingProgress = (done: number, total: number) => void

/** Which units may be looked up: by themselves all. */
export interface UnitCandidates {
  /** Those that begin before this token of the stream. */
  readonly before?: number
  /** Ahead of all others those that begin in one of these ranges of tokens: pairs, end exclusive, rising. */
  readonly first?: Int32Array
}

/** A stream read by InfLLM's method. A running call keeps the model. */
export interface NativeInfLlm {
  info(): {
    readonly tokens: number
    readonly units: number
    /** In memory, a GPU's included: windows, representative keys, units; of these, units alone; units on disk. */
    readonly bytes: number
    readonly unitBytes: number
    readonly diskBytes: number
    /** Units that were fetched: from disk, or to the GPU. */
    readonly reads: number
    /** Whether a GPU reads; what it keeps on disk no processor restores, nor the other way round. */
    readonly gpu: boolean
    /** Of `bytes`, those on the GPU; 0 where a processor reads. */
    readonly gpuBytes: number
  }
  /** Where each unit starts in the stream, and where the last one ends. */
  unitStarts(): Int32Array
  /**
   * Goes on reading. `lengths` cuts these tokens into units (longer ones than blockSize evenly); empty: blocks of blockSize, if it was
   * empty from the first call on. `logits`: [row][vocabulary]; `trace`: the units of each execution block. Execution blocks begin anew
   * with each call.
   */
  read(
    request: UnitCandidates & {
      readonly tokens: Int32Array
      readonly lengths: Int32Array
      readonly rows: Int32Array
      readonly trace: boolean
    },
    cancel: NativeCancel,
    progress: (tokens: number) => void,
  ): Promise<{ readonly logits: Float32Array; readonly trace: readonly UsedUnits[] }>
  /** Answers; what was read of the question and the answer is forgotten. */
  answer(
    request: Omit<GenerateOptions, 'watch' | 'watchHeads'> & {
      /** Units are looked up for every token, or once for the question. */
      readonly lookUps: 'each' | 'once'
      /** The question looks up, and is read again with what it found. */
      readonly twice: boolean
      /** Above 0: it is read again with the units that most layers chose, at most so many, for all layers; so is the answer. */
      readonly agree: number
      /** Units for all layers, rising; empty: they are looked up. */
      readonly units: Int32Array
    },
    cancel: NativeCancel,
    listener: (told: MemoryEvent) => void,
  ): Promise<'stop' | 'length'>
  /**
   * Writes where the stream stands, and what was read since the last save or restore, to `path` with `.stream` and `.units`; on a GPU
   * all that was read, to `.stream`. Only where units rest on disk, unless a GPU reads. `identity` names the model's weights. Rejects
   * with disk or cancelled.
   */
  save(path: string, identity: string, cancel: NativeCancel, progress: KeepingProgress): Promise<void>
  /**
   * What was saved one after the other, up to any of them (a GPU's: one alone), into a memory that has read nothing. Rejects with
   * no-segment, bad-segment or cancelled; then this memory is good for nothing.
   */
  restore(paths: readonly string[], identity: string, cancel: NativeCancel, progress: KeepingProgress): Promise<void>
  dispose(): void
}

/** What stands in the way of using a GPU; empty: nothing. */
export type CudaMissing = '' | 'driver' | 'library' | 'runtime' | 'gpu' | 'newer-driver'

export interface NativeAddon {
  /**
   * Loads ggml's CUDA backend, once a process. `library` is its file or empty, `folders` are where CUDA's own libraries may lie.
   * `detail` names the library that is missing, or the GPU. `anyDriver`: the library was built for this machine, so its driver need
   * not be checked.
   */
  findCuda(
    libraries: string,
    library: string,
    folders: readonly string[],
    anyDriver: boolean,
  ): Promise<{ readonly missing: CudaMissing; readonly detail: string }>
  loadModel(options: LoadOptions, cancel: NativeCancel, progress: (fraction: number) => void): Promise<NativeModel>
  /**
   * Maps a segment and checks all but its keys, which are checked when they are first used. Rejects with code `no-segment` when
   * there is none, `bad-segment` when it is damaged or of another version.
   */
  mapEpisode(path: string): Promise<{ episode: NativeEpisode; metadata: string }>
  readonly Cancel: new () => NativeCancel
  /**
   * Throws usage for parameters that do not fit the model, disk where the folder cannot be written, gpu-unfit where the model lies on a
   * GPU that cannot read it this way. So do all calls when its memory runs out; after a fault they reject with gpu-failed, and this
   * process can do nothing more on the GPU.
   */
  readonly InfLlm: new (model: NativeModel, parameters: InfLlmParameters) => NativeInfLlm
  /** Throws disk when the file cannot be made. */
  readonly Lock: new (path: string) => NativeLock
  readonly Store: new (model: NativeModel, heads: readonly Head[], keyFormat: KeyFormat) => NativeStore
  readonly Words: new (model: NativeModel) => NativeWords
  /** What the scoring loop was compiled for: `avx512`, `avx2` or `portable`. */
  readonly instructions: string
}

/** The root of the package: the folder of package.json, whether compiled to out/ or not. */
export function packageRoot(): string {
  return path.resolve(__dirname, '../../..')
}

/** Where npm put ggml's prebuilt libraries: in this package's node_modules or in one further up. */
export function librariesFolder(): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    const entry = createRequire(path.join(packageRoot(), 'package.json')).resolve(`@node-llama-cpp/${platform}`)
    return path.resolve(path.dirname(entry), '../bins', platform)
  } catch (cause) {
    throw new LongreadError('engine-missing', `There is no engine for ${platform}; Longread runs on linux-x64.`, {
      cause,
    })
  }
}

let loaded: NativeAddon | undefined

/** Loads the addon once. Throws engine-missing. */
export function loadAddon(): NativeAddon {
  if (loaded) return loaded
  try {
    const file = path.join(packageRoot(), 'native/build/Release/longread.node')
    loaded = createRequire(__filename)(file) as NativeAddon
    return loaded
  } catch (cause) {
    throw engineMissing(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause))
  }
}

/**
 * Runs a native call that can be cancelled; the call's rejection becomes a LongreadError with its code.
 */
export async function cancellable<T>(
  addon: NativeAddon,
  signal: AbortSignal | undefined,
  call: (cancel: NativeCancel) => Promise<T>,
): Promise<T> {
  const cancel = new addon.Cancel()
  const stop = () => cancel.cancel()
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await call(cancel)
  } catch (thrown) {
    throw fromNative(thrown)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

const nativeCodes = new Set<string>([
  'cancelled',
  'usage',
  'bad-model',
  'bad-architecture',
  'engine-missing',
  'no-cuda',
  'gpu-failed',
  'disk',
  'too-long',
  'no-segment',
  'bad-segment',
])

/** What a native call has thrown, as a LongreadError with its code. */
export function fromNative(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !('code' in thrown) || typeof thrown.code !== 'string') return thrown
  if (thrown.code === 'gpu-unfit') return gpuUnfit(thrown.message, thrown)
  const code = nativeCodes.has(thrown.code) ? (thrown.code as LongreadError['code']) : 'internal'
  return new LongreadError(code, thrown.message, { cause: thrown })
}
