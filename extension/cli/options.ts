/** Options that several commands share, and how they become requests. */
import * as path from 'node:path'
import { Option, type Command } from 'commander'
import { resolveModel } from '../engine/catalogue'
import { LongreadError } from '../errors'
import type { QuestionOptions, RecallOptions, Signals, StreamRequest } from '../protocol/types'
import { memoryFolder } from './memory'

/** Of every command that loads a model. */
export interface EngineFlags {
  readonly model?: string
  readonly device: 'auto' | 'cpu' | 'cuda'
  readonly threads: number
  readonly gpuLayers?: number
  readonly memory?: string
  readonly store: boolean
  readonly weights: 'fast' | 'file' | 'fp8'
  readonly json?: boolean
}

export interface CommonFlags extends EngineFlags {
  readonly breadcrumbs: boolean
  readonly calibrate: boolean
  readonly profile?: string
}

export interface RecallFlags extends CommonFlags {
  readonly top: number
  readonly signals: Signals
  readonly rerank: boolean
  readonly rarity: boolean
  readonly now?: boolean
}

/** A whole number of at least `least`, or a usage error that names the option. */
export const wholeNumber =
  (name: string, least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= least) return value
    throw new LongreadError('usage', `${name} must be a whole number of at least ${least}, not "${text}".`)
  }

export function engineOptions(command: Command): Command {
  return command
    .option('--model <name|file>', 'a model by name (longread model list) or a GGUF file; default: the one in use')
    .addOption(
      new Option('--device <device>', 'what computes; auto: a GPU where one can be used')
        .choices(['auto', 'cpu', 'cuda'])
        .default('auto'),
    )
    .option(
      '--gpu-layers <n>',
      'layers on the GPU, the others on the processor; default: as many as its memory holds',
      wholeNumber('--gpu-layers', 0),
    )
    .option('--threads <n>', 'processor threads; 0: one a core', wholeNumber('--threads', 0), 0)
    .option('--memory <folder>', "where what was read is kept; default: the user's cache folder")
    .option('--no-store', 'keep nothing on disk')
    .addOption(
      new Option(
        '--weights <format>',
        'fast: transcoded to Q8_0; file: as in the file; fp8: 8-bit products on a Hopper GPU, for large models',
      )
        .choices(['fast', 'file', 'fp8'])
        .default('fast'),
    )
    .option('--json', 'one JSON object a line on stdout, progress on stderr')
}

export function commonOptions(command: Command): Command {
  return engineOptions(command)
    .option('--profile <file>', 'which heads find code, as JSON; default: what ships for the model, or was calibrated')
    .option('--no-calibrate', 'for a model without a profile: find by words, do not calibrate it on this folder first')
    .option('--no-breadcrumbs', 'read units without the line that says where they stand')
}

export function recallOptions(command: Command, top: number): Command {
  return commonOptions(command)
    .option('--top <n>', 'how many units and files to give', wholeNumber('--top', 1), top)
    .addOption(new Option('--signals <which>', 'what ranks').choices(['attention', 'lexical', 'all']).default('all'))
    .option('--no-rerank', 'do not read the best units again to rank them')
    .option('--now', 'answer at once from what is held, and say what is not yet; default: read what has changed first')
    .option('--no-rarity', 'count every word of the question alike')
}

export async function engineRequest(flags: EngineFlags) {
  const { path: model } = await resolveModel(flags.model)
  return {
    model,
    weights: flags.weights,
    device: flags.device,
    threads: flags.threads,
    ...(flags.gpuLayers === undefined ? {} : { gpuLayers: flags.gpuLayers }),
    memory: flags.store ? memoryFolder(flags) : null,
  }
}

export async function streamRequest(dir: string, flags: CommonFlags): Promise<StreamRequest> {
  return {
    ...(await engineRequest(flags)),
    root: path.resolve(dir),
    profile: flags.profile === undefined ? null : path.resolve(flags.profile),
    breadcrumbs: flags.breadcrumbs,
    calibrate: flags.calibrate ? 'first' : 'never',
  }
}

export const recallPart = ({
  top,
  signals,
  rerank,
  rarity,
  now,
}: RecallFlags): RecallOptions & Pick<QuestionOptions, 'now'> => ({
  top,
  signals,
  rerank,
  rarity,
  now: now === true,
})
