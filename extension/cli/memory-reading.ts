/** Options of answering from memory (InfLLM) instead of from units read afresh. */
import { Option, type Command } from 'commander'
import { LongreadError } from '../errors'
import { settingsOf } from '../infllm/parameters'
import { readingBy, usualReading, type AnsweringWay } from '../infllm/choice'
import type { AskRequest, MemoryReading, MemoryTotals } from '../protocol/types'
import { bytes } from './terminal'

export interface MemoryReadingFlags {
  readonly reading: AnsweringWay
  readonly units: MemoryReading['units']
  readonly choose?: MemoryReading['choose']
  readonly lookUps?: MemoryReading['lookUps']
  readonly twice?: boolean
  readonly set: string
}

const ways =
  'afresh: what is found is read again; memory: the whole folder is read as one text, of which every layer looks up keys and values (InfLLM)'

/** Of every command that reads a folder. */
export function streamReadingOptions(command: Command): Command {
  return settings(
    command.addOption(new Option('--reading <how>', ways).choices(['afresh', 'memory']).default('afresh')),
  )
}

/** Of those that answer: by themselves they take the way by which the model answers better. */
export function answeringWay(command: Command): Command {
  const auto = `auto: whichever the model was measured to answer better by; ${ways}`
  return command.addOption(new Option('--reading <how>', auto).choices(['auto', 'afresh', 'memory']).default('auto'))
}

function settings(command: Command): Command {
  return command
    .addOption(
      new Option('--units <which>', 'with --reading memory: units of code, or blocks of equally many tokens')
        .choices(['code', 'blocks'])
        .default('code'),
    )
    .option(
      '--set <name=value,…>',
      'with --reading memory: InfLLM parameters, such as nLocal=2048,topk=8, or paper for those of its paper; and lookup=all, other or imports: which units are looked up while a file is read',
      '',
    )
}

/** And how the memory answers. */
export function memoryReadingOptions(command: Command): Command {
  return settings(answeringWay(command))
    .addOption(
      new Option(
        '--choose <who>',
        'with --reading memory: every layer for itself, the layers together (what most of them look up, for all), or recall once for all',
      )
        .choices(['layers', 'agree', 'recall'])
        .default(undefined, usualReading.choose),
    )
    .addOption(
      new Option('--look-ups <when>', 'with --reading memory: for each word of the answer, or once for the question')
        .choices(['each', 'once'])
        .default('each'),
    )
    .option('--twice', 'with --reading memory: the question is read again with what it found')
}

/** What a question asks for; nothing where it is left open. */
export function askedReading(flags: MemoryReadingFlags): Pick<AskRequest, 'reading'> {
  const reading = memoryReadingOf(flags)
  return reading ? { reading } : readingBy(flags.reading)
}

/** Undefined where the memory is not asked for; then none of its options may be given. */
export function memoryReadingOf(flags: MemoryReadingFlags): MemoryReading | undefined {
  const { reading, units, choose, lookUps = 'each', twice = false, set } = flags
  if (reading === 'memory')
    return {
      ...{ units, lookUps, twice, choose: choose ?? usualReading.choose },
      parameters: settingsOf(set, '--set') as MemoryReading['parameters'],
    }
  if (units !== 'code' || choose !== undefined || lookUps !== 'each' || twice || set !== '')
    throw new LongreadError('usage', '--units, --choose, --look-ups, --twice and --set need --reading memory.')
  return undefined
}

export function describeMemory({
  files,
  tokens,
  units,
  memoryBytes,
  diskBytes,
  tokensRead = 0,
  tokensPerSecond = 0,
}: MemoryTotals): string {
  const count = (n: number) => n.toLocaleString('en-US')
  const part = tokensRead < tokens ? `, ${count(tokensRead)} of them read now` : ', read'
  const how = tokensRead === 0 ? ', kept from before' : `${part} at ${Math.round(tokensPerSecond)} tokens/s`
  return `${files} files, ${count(tokens)} tokens as one text${how}; ${units} units, ${bytes(memoryBytes)} in memory, ${bytes(diskBytes)} on disk.`
}
