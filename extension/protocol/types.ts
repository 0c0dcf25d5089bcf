/**
 * What client, engine process and views say to one another. Imports nothing.
 * Lines are 1-based and inclusive; paths are relative to the workspace root with forward slashes; times are milliseconds.
 */

/** What a unit is. `definition` holds a whole function or method, `head` the part of a class or module before its members. */
export type UnitKind = 'function' | 'method' | 'class' | 'head' | 'statements' | 'section' | 'cell' | 'text'

/** A stretch of a file that is recalled, cited and read as one. The units of a file hold each of its lines exactly once. */
export interface Unit {
  readonly startLine: number
  readonly endLine: number
  readonly kind: UnitKind
  /** Qualified by what encloses it (`Class.method`); empty where nothing is defined. */
  readonly symbol: string
}

export interface UnitReference extends Unit {
  readonly file: string
}

export interface SkippedFile {
  readonly file: string
  readonly reason: string
}

export type Phase =
  | 'discover'
  | 'load'
  | 'prepare'
  | 'read'
  | 'recall'
  | 'rerank'
  | 'prefill'
  | 'answer'
  | 'download'
  | 'calibrate'
  | 'verify'

/** Progress of a phase. `total` is 0 while it is not known; `rate` is `unit`s per second. */
export interface Progress {
  readonly phase: Phase
  readonly done: number
  readonly total: number
  readonly unit: 'files' | 'tokens' | 'bytes' | 'units' | 'questions' | 'seconds'
  readonly rate: number
  readonly etaSeconds?: number
  readonly detail?: string
}

/** What computes. */
export interface Device {
  readonly kind: 'cpu' | 'cuda'
  /** Of the GPU (`NVIDIA H100 80GB HBM3`), or of the build for this processor (`zen4`). */
  readonly name: string
  /** Bytes of the GPU's memory when this was asked; 0 without a GPU. */
  readonly memoryFree: number
  readonly memoryTotal: number
  /** Of the model, on the GPU. */
  readonly layers: number
  /** Whether all of the model is on the GPU, embeddings and output too. */
  readonly whole: boolean
}

export interface EngineOptions {
  /** A GGUF file. */
  readonly model: string
  readonly weights: 'fast' | 'file' | 'fp8'
  readonly device: 'auto' | 'cpu' | 'cuda'
  /** A JSON file with a profile of one's own, or null for the one that ships for the model. */
  readonly profile: string | null
  /** 0: as many as there are cores. */
  readonly threads: number
  /** Layers on the GPU at most; as many as its memory holds when left out. */
  readonly gpuLayers?: number
}

export interface StoreOptions {
  /** Folder of the memory on disk, or null to keep it only in this process. */
  readonly memory: string | null
  /** Bytes that it may hold over all workspaces; what was used longest ago goes first. Default 20 GB. */
  readonly memoryLimit?: number
}

export interface StreamRequest extends EngineOptions, StoreOptions {
  readonly root: string
  /** Breadcrumb lines before each unit while reading. Part of the key of what is stored. */
  readonly breadcrumbs: boolean
  /**
   * What is done for a model without a profile: it is calibrated on the workspace's documented functions before reading (`first`),
   * or beside the calls that follow, which words alone serve until then (`background`, the default), or not at all.
   */
  readonly calibrate?: 'first' | 'background' | 'never'
  /** Files that are read first, in this order: what is open. */
  readonly first?: readonly string[]
  /** Whoever asks a question watches the folder, and has told of all that has changed since it was last looked at: it need not be again. */
  readonly watched?: boolean
}

export interface HeldTotals {
  readonly files: number
  readonly units: number
  readonly tokens: number
  readonly memoryBytes: number
}

export interface StreamResult extends HeldTotals {
  readonly skipped: readonly SkippedFile[]
  /** Tokens of those that had to be read now. */
  readonly tokensRead: number
  readonly seconds: number
  readonly tokensPerSecond: number
  /** Files whose keys were already held and were not read again. */
  readonly reused: number
}

/** A file that was saved, removed or renamed (no `text`), typed in and not saved (`text`), or whose unsaved text was given up (null). */
export interface Change {
  readonly file: string
  readonly text?: string | null
}

/**
 * Brings in what has changed, ahead of everything that waits; the last change is read first. A renamed file is two changes. What
 * else waits then (`missing`), such as files that a changed ignore file lets in, is read by the next `stream`.
 */
export interface UpdateRequest extends StreamRequest {
  readonly changes: readonly Change[]
}

export interface UpdateResult {
  /** Files and tokens that the model read. */
  readonly files: number
  readonly tokens: number
  readonly ms: number
  readonly missing: Missing
  /** All that is held then. */
  readonly held: HeldTotals
  /** Which of the changed files are left out. */
  readonly skipped: readonly SkippedFile[]
}

/** What is found but not read yet, so that answers do not know it. */
export interface Missing {
  readonly files: number
  readonly bytes: number
  /** Names of those that come next. */
  readonly first: readonly string[]
}

/** A file that is held, and its units. */
export interface HeldFile {
  readonly file: string
  readonly tokens: number
  readonly units: readonly Unit[]
}

/** What lies right below a folder, as far as it is held. */
export interface FolderContents {
  /** With how many files are in each, and their tokens. */
  readonly folders: readonly { readonly name: string; readonly files: number; readonly tokens: number }[]
  readonly files: readonly { readonly name: string; readonly tokens: number }[]
  /** Files of the folder that come after these. */
  readonly more: number
}

export type Signals = 'attention' | 'lexical' | 'all'

export interface RecallOptions {
  readonly top: number
  readonly signals: Signals
  readonly rerank: boolean
  /** Seconds that reading again may take at most; the best units are read first. Default: as long as the command may take. */
  readonly rerankSeconds?: number
  /** Question words weighted by their rarity in this repository. */
  readonly rarity: boolean
}

/** Where in a repository: a file, some of its lines, or a folder (with a slash at its end). */
export interface Place {
  readonly file: string
  readonly startLine?: number
  readonly endLine?: number
}

/** A question that was asked before in the same conversation, and what came of it. */
export interface EarlierTurn {
  readonly question: string
  /** Empty where there is none. */
  readonly answer: string
  /** Symbols that were read for it, best first. */
  readonly names: readonly string[]
}

/** What a question may ask beside itself. */
export interface QuestionOptions {
  /** The conversation so far, oldest first: a question that only points back is looked for with what it points to. */
  readonly before?: readonly EarlierTurn[]
  /** Only units that lie here, when given. */
  readonly within?: readonly Place[]
  /**
   * Answers at once from what is held, and tells what is not held yet (`missing`); where nothing is, a file is read before, one that
   * the question names if it can be. Otherwise everything is read before.
   */
  readonly now?: boolean
}

export interface RecallRequest extends StreamRequest, RecallOptions, QuestionOptions {
  readonly questions: readonly string[]
}

/** Which part of the question found a unit, and how strongly (a share of this unit's attention score). */
export interface FoundBy {
  readonly word: string
  readonly share: number
}

export interface RecalledUnit extends UnitReference {
  readonly score: number
  /** The score of each signal, as a z-score over all units; `rerank` only for units that were read again. */
  readonly signals: { readonly attention?: number; readonly lexical?: number; readonly rerank?: number }
  readonly foundBy: readonly FoundBy[]
}

export interface RecalledFile {
  readonly file: string
  readonly score: number
}

/** Milliseconds that the stages of a question took: its words, what the model hears in it, all keys, and so on. */
export interface StageTimes {
  readonly words?: number
  readonly hear?: number
  readonly keys?: number
  readonly join?: number
  readonly rerank?: number
  readonly tell?: number
}

export interface RecallResult {
  readonly question: string
  readonly units: readonly RecalledUnit[]
  readonly files: readonly RecalledFile[]
  readonly ms: number
  readonly stages?: StageTimes
  /** Left out when everything was held. */
  readonly missing?: Missing
}

export interface SamplingOptions {
  /** 0 is greedy. */
  readonly temperature: number
  readonly topP: number
  readonly seed: number
  readonly maxTokens: number
}

/**
 * A question answered from keys and values of everything that was read (InfLLM), instead of from units read afresh. What each number
 * is: native/infllm/parameters.h.
 */
export interface MemoryReading {
  /** What is looked up: units of code, or blocks of equally many tokens as in the paper. */
  readonly units: 'code' | 'blocks'
  /** Who chooses: every layer for itself; the layers together, once for all; or what `recall` finds, once for all layers. */
  readonly choose: 'layers' | 'agree' | 'recall'
  /** While the answer is made: for every token, or once for the question. */
  readonly lookUps: 'each' | 'once'
  /** The question looks up, and is read again with what it found. */
  readonly twice: boolean
  /** InfLLM's parameters that are not the model's usual ones, by name. */
  readonly parameters: Readonly<Record<string, number | string | boolean>>
}

export interface AskRequest extends StreamRequest, RecallOptions, QuestionOptions {
  readonly question: string
  /** Left out: by whichever way the model answers better, as far as that was measured. */
  readonly reading?: 'afresh' | MemoryReading
  readonly sampling: SamplingOptions
  /** Tokens of code that the model reads before it answers. */
  readonly readingTokens: number
}

/** Planted constants that a model answered exactly: by either way, and how many there were. */
export interface AnsweringFigures {
  readonly afresh: number
  readonly memory: number
  readonly of: number
}

/** Where an answer came from, and why from there. */
export interface AnsweredFrom {
  readonly way: 'afresh' | 'memory'
  /** True where the request said so. */
  readonly asked?: boolean
  /** Left out where nobody measured the model. */
  readonly figures?: AnsweringFigures
}

/** The sections of a summary, in their order. */
export type SectionId = 'purpose' | 'run' | 'architecture' | 'entries' | 'types' | 'flow' | 'changes' | 'risks'

export interface SectionRequest extends StreamRequest, Pick<QuestionOptions, 'now'>, Pick<AskRequest, 'reading'> {
  readonly section: SectionId
  /** Only of this folder, with a slash at its end. */
  readonly folder?: string
}

export interface Section {
  readonly id: SectionId
  readonly title: string
  /** With its citations in the text, as links relative to the root. */
  readonly markdown: string
  /** Where what the model says in it came from; left out where the model was asked nothing. */
  readonly from?: AnsweredFrom
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** The model alone, without the repository. */
export interface ChatRequest extends EngineOptions {
  readonly messages: readonly ChatMessage[]
  readonly sampling: SamplingOptions
}

export interface ChatResult {
  readonly text: string
  /** Tokens of the prompt. */
  readonly prompt: number
}

export interface Citation {
  readonly file: string
  readonly startLine: number
  readonly endLine: number
}

export interface SentenceCitation extends Citation {
  /** Which sentence of the answer, from 0. */
  readonly sentence: number
  /** How much more than by chance the sentence looked at the unit, as a z-score over the units read. */
  readonly weight: number
}

export interface MemoryTotals {
  readonly files: number
  readonly tokens: number
  readonly units: number
  /** In memory and on disk. */
  readonly memoryBytes: number
  readonly diskBytes: number
  /** Of these, and how quickly, where any were read now. */
  readonly tokensRead?: number
  readonly tokensPerSecond?: number
}

export interface MemoryStreamRequest extends StreamRequest {
  readonly reading: MemoryReading
}

export interface MemoryStreamResult extends MemoryTotals {
  readonly skipped: readonly SkippedFile[]
  readonly seconds: number
}

export interface AskResult {
  readonly answer: string
  /** What was looked for, where the question alone only pointed back. */
  readonly meant?: string
  readonly citations: readonly SentenceCitation[]
  /** What the model read, in the order of files and lines. */
  readonly reading: readonly RecalledUnit[]
  /** The best units of recall, best first; `reading` was chosen from them. */
  readonly recalled: readonly RecalledUnit[]
  /** False when nothing in the memory fits the question and the answer says so. */
  readonly found: boolean
  readonly from: AnsweredFrom
  /** Left out when everything was held. */
  readonly missing?: Missing
  /** Of an answer from memory: what was read and where it is. */
  readonly memory?: MemoryTotals
  /** Milliseconds by step; `firstToken` counts from the end of recall. */
  readonly timings: {
    readonly stream: number
    readonly recall: number
    readonly firstToken: number
    readonly answer: number
    readonly total: number
  }
}

export interface CalibrateRequest extends EngineOptions, StoreOptions {
  readonly roots: readonly string[]
  /** Read of each root at most. */
  readonly tokens: number
  /** Asked of each root at most. */
  readonly questions: number
  readonly seed: number
  /** Layers whose heads are tried; 0: as many as are likely of use. */
  readonly layers: number
  /** Heads that are kept at most. */
  readonly heads: number
  /** Distances to choose among; the first stays unless another is clearly better. */
  readonly distances: readonly number[]
  /** What the profile says it was made by. */
  readonly command: string
  /** Whether the profile is kept as the model's own, from now on. */
  readonly keep: boolean
}

export interface CalibrateResult {
  /** The profile as JSON. */
  readonly profile: string
  /** Where it is kept as the model's own, or null. */
  readonly kept: string | null
  readonly heads: number
  readonly distance: number
  readonly bank: number
  readonly figures: CalibrationFigures
}

/** Unit MRR of attention alone, unless it says otherwise; `heldOut` is asked of heads that were fitted without the question. */
export interface CalibrationFigures {
  readonly distances: readonly { readonly distance: number; readonly heldOut: number }[]
  readonly banks: readonly { readonly questions: number; readonly heldOut: number }[]
  readonly repositories: readonly {
    readonly name: string
    readonly files: number
    readonly tokens: number
    readonly units: number
    readonly questions: number
    readonly fitted: number
    readonly heldOut: number
    /** By words alone. */
    readonly words: number
  }[]
  /** Over repositories, each counting once; `both` is held out, with words added. */
  readonly mean: {
    readonly fitted: number
    readonly heldOut: number
    readonly words: number
    readonly both: number
  }
  /** Of keys in memory. */
  readonly bytesPerToken: number
}
