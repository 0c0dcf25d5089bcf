/**
 * The typed surface of the native addon (native/addon) and nothing else: TypeScript that loads it checks every argument
 * here, C++ checks again. Arrays are row-major; heads are query heads, key heads are the groups that share keys.
 */

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
}

/** Set from any thread's point of view; a call given one stops within one batch and rejects with code `cancelled`. */
export interface NativeCancel {
  cancel(): void
}

export interface LoadOptions {
  readonly path: string
  readonly weights: 'fast' | 'file'
  readonly threads: number
  /** Folder of ggml's prebuilt libraries. */
  readonly libraries: string
}

export interface EpisodeOptions {
  /** The whole episode: header, breadcrumbs, units. */
  readonly tokens: Int32Array
  /** Start and end token of each unit (end exclusive), pairs; tokens outside every unit are read but not remembered. */
  readonly units: Uint32Array
  /** Query heads that score units; their key heads are what is stored. */
  readonly heads: readonly Head[]
  readonly window: number
  readonly sinks: number
  /** Reference questions' queries as `queries()` gave them, one after the other, with the number of tokens of each. */
  readonly bank: { readonly queries: Float32Array; readonly tokens: Uint32Array }
}

/** What stays of an episode; owned by native memory until it is added to a store or dropped. */
export interface NativeEpisode {
  readonly tokens: number
  readonly units: number
  /** Bytes of keys and statistics. */
  readonly bytes: number
}

export interface GenerateOptions {
  readonly tokens: Int32Array
  readonly temperature: number
  readonly topP: number
  readonly seed: number
  readonly maxTokens: number
  /** Spans of the prompt (start, end pairs) whose attention is reported with every token. */
  readonly watch: Uint32Array
  /** Heads whose attention is watched. */
  readonly watchHeads: readonly Head[]
}

export interface GeneratedToken {
  readonly token: number
  readonly piece: Uint8Array
  /** [head][span]: attention mass that this token paid to each watched span. */
  readonly attention: Float32Array
}

export interface NativeModel {
  readonly info: ModelInfo
  tokenize(text: string, parseSpecial: boolean): Int32Array
  detokenize(tokens: Int32Array): string
  /** The model's own chat template applied, ending where the assistant speaks. */
  chat(messages: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[]): string
  /**
   * Queries of `heads` for the tokens from `from` on, all rotated to one distance: [heads][tokens][headSize].
   */
  queries(
    tokens: Int32Array,
    from: number,
    heads: readonly Head[],
    distance: number,
    cancel: NativeCancel,
  ): Promise<Float32Array>
  read(episode: EpisodeOptions, cancel: NativeCancel, progress: (tokens: number) => void): Promise<NativeEpisode>
  /** Mean log-likelihood of `target` after each of `prefixes` (read afresh), in nats a token; stops early at `deadlineMs`, NaN for what was not read. */
  likelihood(
    prefixes: readonly Int32Array[],
    target: Int32Array,
    deadlineMs: number,
    cancel: NativeCancel,
    progress: (done: number) => void,
  ): Promise<Float32Array>
  generate(
    options: GenerateOptions,
    cancel: NativeCancel,
    onPrefill: (done: number) => void,
    onToken: (token: GeneratedToken) => void,
  ): Promise<'stop' | 'length'>
  dispose(): void
}

/** Keys of everything held for one (model, profile), by file. */
export interface NativeStore {
  readonly bytes: number
  /** Adds or replaces what is held of a file; takes the episode over. */
  put(file: string, episode: NativeEpisode): void
  remove(file: string): void
  /** Writes what is held of a file as an immutable segment: a temporary name, checksummed, then renamed. */
  save(file: string, path: string, metadata: string): Promise<void>
  /** Maps a segment; rejects with code `bad-segment` when it is damaged or of another format. Returns its metadata. */
  load(file: string, path: string): Promise<string>
  /**
   * Log-sum-exp over each unit's keys for every head and query token: [heads][tokens][units], the units of `files` one file
   * after the other; and mean and deviation over the bank: [heads][units] each.
   */
  score(
    files: readonly string[],
    queries: Float32Array,
    tokens: number,
    threads: number,
    cancel: NativeCancel,
  ): Promise<{ masses: Float32Array; bankMean: Float32Array; bankDeviation: Float32Array }>
}

export interface NativeAddon {
  loadModel(options: LoadOptions, cancel: NativeCancel, progress: (fraction: number) => void): Promise<NativeModel>
  createCancel(): NativeCancel
  createStore(heads: readonly Head[], headSize: number, keyHeads: number, keyFormat: 'f16' | 'q8'): NativeStore
}
