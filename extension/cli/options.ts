/** Options that several commands share, and how they become requests. */
import * as path from 'node:path'
import { Option, type Command } from 'commander'
import { resolveModel } from '../engine/catalogue'
import { LongreadError } from '../errors'
import type { RecallOptions, Signals, StreamRequest } from '../protocol/types'
import { memoryFolder } from './memory'

export interface CommonFlags {
  readonly model?: string
  readonly device: 'auto' | 'cpu' | 'cuda'
  readonly threads: number
  readonly memory?: string
  readonly store: boolean
  readonly weights: 'fast' | 'file'
  readonly breadcrumbs: boolean
  readonly profile?: string
  readonly json?: boolean
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

export function commonOptions(command: Command): Command {
  return command
    .option('--model <name|file>', 'a model by name (longread model list) or a GGUF file; default: the one in use')
    .addOption(new Option('--device <device>', 'where to compute').choices(['auto', 'cpu', 'cuda']).default('auto'))
    .option('--threads <n>', 'processor threads; 0: one a core', wholeNumber('--threads', 0), 0)
    .option('--memory <folder>', "where what was read is kept; default: the user's cache folder")
    .option('--no-store', 'keep nothing on disk')
    .addOption(
      new Option('--weights <format>', 'fast: transcoded to Q8_0; file: as in the file')
        .choices(['fast', 'file'])
        .default('fast'),
    )
    .option('--profile <file>', 'which heads find code, as JSON; default: what ships for the model')
    .option('--no-breadcrumbs', 'read units without the line that says where they stand')
    .option('--json', 'one JSON object a line on stdout, progress on stderr')
}

export function recallOptions(command: Command, top: number): Command {
  return commonOptions(command)
    .option('--top <n>', 'how many units and files to give', wholeNumber('--top', 1), top)
    .addOption(new Option('--signals <which>', 'what ranks').choices(['attention', 'lexical', 'all']).default('all'))
    .option('--no-rerank', 'do not read the best units again to rank them')
    .option('--now', 'answer at once from what is held, and say what is not yet; default: read what has changed first')
    .option('--no-rarity', 'count every word of the question alike')
}

export async function streamRequest(dir: string, flags: CommonFlags): Promise<StreamRequest> {
  if (flags.device === 'cuda')
    throw new LongreadError('usage', 'This build computes on the processor only. Use --device cpu, or leave it out.')
  const { path: model } = await resolveModel(flags.model)
  return {
    root: path.resolve(dir),
    model,
    weights: flags.weights,
    profile: flags.profile === undefined ? null : path.resolve(flags.profile),
    device: flags.device,
    threads: flags.threads,
    memory: flags.store ? memoryFolder(flags) : null,
    breadcrumbs: flags.breadcrumbs,
  }
}

export const recallPart = ({ top, signals, rerank, rarity, now }: RecallFlags): RecallOptions => ({
  top,
  signals,
  rerank,
  rarity,
  now: now === true,
})
