/**
 * Every error a person can meet: one code, one factory a message. A message says what is wrong and what to do.
 * Anything that is not a LongreadError is a bug and is reported as `internal`.
 */
export type ErrorCode =
  | 'internal'
  | 'cancelled'
  | 'usage'
  | 'no-folder'
  | 'no-model'
  | 'bad-model'
  | 'bad-architecture'
  | 'bad-profile'
  | 'bad-corpus'
  | 'download'
  | 'engine-missing'
  | 'no-cuda'
  | 'gpu-unfit'
  | 'gpu-failed'
  | 'engine-died'
  | 'disk'
  | 'too-long'
  | 'watch'
  | 'no-segment'
  | 'bad-segment'

export interface LongreadErrorOptions extends ErrorOptions {
  /** What to do about it at a terminal: commands and options that other places do not have. Ends the message. */
  readonly terminal?: string | undefined
}

export class LongreadError extends Error {
  readonly terminal: string | undefined

  /** `what` is true everywhere; the message is it with what to do at a terminal. */
  constructor(
    readonly code: ErrorCode,
    readonly what: string,
    options: LongreadErrorOptions = {},
  ) {
    super(options.terminal === undefined ? what : `${what} ${options.terminal}`, options)
    this.name = 'LongreadError'
    this.terminal = options.terminal
  }
}

export const cancelled = () => new LongreadError('cancelled', 'Cancelled.')

export const noFolder = (folder: string) =>
  new LongreadError('no-folder', `${folder} is not a folder that can be read. Give the root of a repository.`)

export const noModel = (name: string) =>
  new LongreadError('no-model', `No model "${name}" here.`, {
    terminal: 'Run "longread model pull", or give --model a GGUF file.',
  })

export const badModel = (file: string, why: string) =>
  new LongreadError('bad-model', `${file} cannot be used as a model: ${why}.`)

export const badArchitecture = (file: string, architecture: string, known: readonly string[]) =>
  new LongreadError(
    'bad-architecture',
    `${file} holds a model of architecture "${architecture}", which Longread cannot read yet (it reads ${known.join(', ')}).`,
  )

export const badProfile = (file: string, why: string) =>
  new LongreadError('bad-profile', `${file} cannot be used as a profile: ${why}.`)

export const noProfile = () =>
  new LongreadError('bad-profile', 'The model has no profile, so attention alone cannot rank.', {
    terminal: 'Leave --signals out, or run "longread calibrate" on folders with documented functions.',
  })

export const tooFewQuestions = (found: number, needed: number) =>
  new LongreadError(
    'bad-corpus',
    `A calibration needs ${needed} documented functions, and ${found === 0 ? 'none was' : `only ${found} ${found === 1 ? 'was' : 'were'}`} found.`,
    { terminal: 'Give folders whose functions have docstrings or doc comments, or more --tokens.' },
  )

export const nothingFound = () =>
  new LongreadError('bad-corpus', 'None of the heads that were tried finds code: no profile came of it.', {
    terminal: 'Try more --layers.',
  })

export const engineMissing = (why: string) =>
  new LongreadError('engine-missing', `The engine could not be loaded: ${why}.`, {
    terminal: 'Run "npm run build:native" again.',
  })

const whatIsMissing: Readonly<
  Record<'driver' | 'library' | 'runtime' | 'gpu' | 'newer-driver', (detail: string) => string>
> = {
  driver: (file) => `there is no NVIDIA driver (${file})`,
  library: (file) => `the CUDA part of the engine is not here or cannot be loaded (${file})`,
  runtime: (file) => `a library of CUDA 13 is not here (${file})`,
  gpu: () => 'no GPU can be used',
  'newer-driver': (gpu) => `for ${gpu} the prebuilt CUDA part of the engine needs a driver of CUDA 13.1`,
}

export const noCuda = (missing: keyof typeof whatIsMissing, detail: string, remedy: string) =>
  new LongreadError('no-cuda', `CUDA cannot be used: ${whatIsMissing[missing](detail)}. To change that, ${remedy}.`)

/** What a GPU cannot do, and a processor can. */
export const gpuUnfit = (why: string, cause?: unknown) =>
  new LongreadError('gpu-unfit', why, { cause, terminal: 'Use --device cpu.' })

export const noEightBits = (why: string) =>
  new LongreadError(
    'usage',
    `--weights fp8 needs a GPU that files are read on by Longread's own CUDA kernels${why === '' ? '' : `, and ${why}`}. Leave the option out.`,
  )
export const engineDied = (how: string) =>
  new LongreadError('engine-died', `The engine process ended (${how}), also when the request was repeated.`)

export const tooLong = (what: string, tokens: number, limit: number) =>
  new LongreadError('too-long', `${what} is ${tokens} tokens long; the model takes ${limit}. Shorten it.`)

export const diskFailure = (file: string, cause: unknown) =>
  new LongreadError(
    'disk',
    `${file} could not be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
    { cause, terminal: 'Free some space, give another --memory folder, or use --no-store.' },
  )

export const downloadFailed = (what: string, why: string, options?: ErrorOptions) =>
  new LongreadError('download', `${what} could not be downloaded: ${why}.`, options)

export const wrongChecksum = (what: string, expected: string, got: string) =>
  new LongreadError(
    'download',
    `${what} is not the file that was asked for: its sha256 is ${got}, expected was ${expected}. What was downloaded is deleted.`,
    { terminal: 'Check the address and the checksum, then run the command again.' },
  )

export const modelNotStored = (file: string, why: string, options?: ErrorOptions) =>
  new LongreadError('disk', `${file} could not be written: ${why}.`, {
    ...options,
    terminal: 'Free some space, or set LONGREAD_CACHE to a folder with room.',
  })

export const choiceNotStored = (file: string, cause: unknown) =>
  new LongreadError(
    'disk',
    `${file} could not be written: ${cause instanceof Error ? cause.message : String(cause)}. The model in use stays as it was.`,
    { cause, terminal: 'Give --model instead.' },
  )

export const watchFailed = (folder: string, cause: unknown) =>
  new LongreadError(
    'watch',
    `${folder} cannot be watched: ${cause instanceof Error ? cause.message : String(cause)}.`,
    {
      cause,
      terminal:
        'Where the system\'s watches are used up, raise fs.inotify.max_user_watches; "longread stream" works without.',
    },
  )

/** What any thrown value becomes at a boundary: itself when it is ours, else `internal` with its message. */
export function asLongreadError(thrown: unknown): LongreadError {
  if (thrown instanceof LongreadError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new LongreadError('internal', message, { cause: thrown })
}
