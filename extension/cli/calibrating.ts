/** `longread calibrate`: finds which heads of a model find code, from the documented functions of folders. */
import { writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import type { Command } from 'commander'
import { diskFailure, LongreadError } from '../errors'
import type { CalibrateRequest, CalibrateResult } from '../protocol/types'
import { engineOptions, engineRequest, wholeNumber, type EngineFlags } from './options'
import { withSession } from './session'
import { oneLine } from './terminal'

export interface CalibrateFlags
  extends EngineFlags,
    Pick<CalibrateRequest, 'tokens' | 'questions' | 'seed' | 'layers' | 'heads' | 'distances'> {
  readonly out?: string
}

function distances(text: string): number[] {
  const numbers = text.split(',').map(Number)
  if (numbers.every((number) => Number.isInteger(number) && number > 0)) return numbers
  throw new LongreadError('usage', `--distances must be whole numbers such as 256,64,512, not "${text}".`)
}

/** The options of `longread calibrate`, which `longread bench recall --calibrate` has too. */
export function calibrateOptions(command: Command): Command {
  return engineOptions(command)
    .option('--out <file>', 'write the profile here, for --profile; without it, it is kept for the model')
    .option('--tokens <n>', 'read of each folder at most', wholeNumber('--tokens', 1000), 30_000)
    .option('--questions <n>', 'asked of each folder at most', wholeNumber('--questions', 1), 100)
    .option('--seed <n>', 'chooses files and questions', wholeNumber('--seed', 0), 1)
    .option('--layers <n>', 'try the heads of so many layers; 0: of the first 19 in 30', wholeNumber('--layers', 0), 0)
    .option('--heads <n>', 'keep at most so many heads', wholeNumber('--heads', 1), 20)
    .option(
      '--distances <n,…>',
      'choose among these; the first stays unless another is clearly better',
      distances,
      [256, 64, 512],
    )
}

export function addCalibrating(program: Command): void {
  calibrateOptions(program.command('calibrate <dir...>'))
    .summary('find out which heads of a model find code')
    .description(
      'Makes a profile for a model from the documented functions of folders: their documentation asks, the functions are the answers.\nA model without a profile needs this once; the folder that it reads first serves for it by itself. What is read is kept, so a second calibration only asks.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ longread calibrate ~/src/one ~/src/two --model qwen.gguf\n  $ longread calibrate . --out mine.json && longread recall . "where is…" --profile mine.json',
    )
    .action((dirs: readonly string[], flags: CalibrateFlags, command: Command) => {
      const names = dirs.map((dir) => path.basename(path.resolve(dir)))
      return calibrate(dirs, flags, commandLine('longread calibrate', names, command))
    })
}

/** What a profile says it was made by: as it was given, without what does not change the profile. */
export function commandLine(start: string, what: readonly string[], command: Command): string {
  const given = command.options.flatMap((option) => {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) !== 'cli' || !shaping.has(name)) return []
    return [`${option.long ?? ''} ${String(command.getOptionValue(name))}`]
  })
  return [start, ...what, ...given].join(' ')
}

const shaping = new Set(['tokens', 'questions', 'seed', 'layers', 'heads', 'distances', 'weights'])

export async function calibrate(dirs: readonly string[], flags: CalibrateFlags, command: string): Promise<void> {
  if (!flags.store && flags.out === undefined)
    throw new LongreadError('usage', 'With --no-store the profile would be kept nowhere: give --out FILE.')
  const { tokens, questions, seed, layers, heads, distances } = flags
  const request: CalibrateRequest = {
    ...(await engineRequest(flags)),
    profile: null,
    ...{ tokens, questions, seed, layers, heads, distances, command },
    roots: dirs.map((dir) => path.resolve(dir)),
    keep: flags.out === undefined,
  }
  await withSession(flags.json === true, async ({ client, signal, view }) => {
    const result = await client.call('calibrate', request, { signal, onProgress: (p) => view.show(p) })
    view.clear()
    if (flags.out !== undefined)
      await writeFile(flags.out, result.profile).catch((cause: unknown) => {
        throw diskFailure(flags.out ?? '', cause)
      })
    if (flags.json) {
      const { profile, ...told } = result
      process.stdout.write(`${JSON.stringify({ ...told, profile: JSON.parse(profile) as unknown })}\n`)
    } else print(result, flags.out)
  })
}

const share = (value: number): string => value.toFixed(3).replace(/^0/, '')

function print({ figures, heads, distance, bank, kept }: CalibrateResult, out: string | undefined): void {
  const row = (...cells: readonly (string | number)[]) =>
    `${String(cells[0]).padEnd(28)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(11))
      .join('')}\n`
  const lines = [
    row('unit MRR', 'tokens', 'units', 'questions', 'words', 'held out', 'fitted'),
    ...figures.repositories.map(({ name, tokens, units, questions, words, heldOut, fitted }) =>
      row(oneLine(name).slice(0, 27), tokens, units, questions, share(words), share(heldOut), share(fitted)),
    ),
    row('mean', '', '', '', share(figures.mean.words), share(figures.mean.heldOut), share(figures.mean.fitted)),
    '\nheld out: attention alone, by heads that were fitted without that repository (of a single one: without that question)\n',
    `with words added, held out: ${share(figures.mean.both)}\n`,
  ]
  const compared = (name: string, values: readonly (readonly [number, number])[]) =>
    values.length > 1 ? ` (held out ${values.map(([what, mrr]) => `${what}: ${share(mrr)}`).join(', ')} ${name})` : ''
  lines.push(
    `\n${heads} heads, ${figures.bytesPerToken.toLocaleString('en-US')} bytes a token.\n`,
    `Distance ${distance}${compared(
      'by some of the questions',
      figures.distances.map((one) => [one.distance, one.heldOut]),
    )}.\n`,
    `${bank} reference questions${compared(
      'by all',
      figures.banks.map((one) => [one.questions, one.heldOut]),
    )}.\n`,
  )
  const place = out ?? kept
  if (place !== null) lines.push(`${out === undefined ? 'Kept for this model in' : 'Written to'} ${oneLine(place)}\n`)
  process.stdout.write(lines.join(''))
}
