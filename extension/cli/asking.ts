/** `longread ask`: an answer as it is generated, then where it comes from. */
import type { Command } from 'commander'
import { LongreadError } from '../errors'
import type { AskRequest } from '../protocol/types'
import { describeMissing, printUnit } from './reading'
import { describeWay } from '../infllm/choice'
import { askedReading, describeMemory, memoryReadingOptions, type MemoryReadingFlags } from './memory-reading'
import { recallOptions, recallPart, streamRequest, wholeNumber, type RecallFlags } from './options'
import { withSession } from './session'
import { jsonLine, oneLine, printable, seconds } from './terminal'

interface AskFlags extends RecallFlags, MemoryReadingFlags {
  readonly temperature: number
  readonly topP: number
  readonly seed: number
  readonly maxTokens: number
  readonly readingTokens: number
  readonly why?: boolean
}

const fraction =
  (name: string, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && value >= 0 && value <= most) return value
    throw new LongreadError('usage', `${name} must be a number from 0 to ${most}, not "${text}".`)
  }

export function addAsking(program: Command): void {
  memoryReadingOptions(recallOptions(program.command('ask <dir> <question>'), 10))
    .summary('answer a question about a folder, with citations')
    .description(
      'Finds the code that a question means, reads it afresh, answers, and cites the lines that the model looked at.',
    )
    .option('--temperature <t>', '0: always the most likely word', fraction('--temperature', 5), 0)
    .option('--top-p <p>', 'sample among the likeliest words that make up this share', fraction('--top-p', 1), 0.95)
    .option('--seed <n>', 'for the same answer again', wholeNumber('--seed', 0), 0)
    .option('--max-tokens <n>', 'longest answer', wholeNumber('--max-tokens', 1), 200)
    .option('--reading-tokens <n>', 'code that is read before answering', wholeNumber('--reading-tokens', 64), 700)
    .option('--why', 'say what was read and which words found it')
    .addHelpText('after', '\nExample:\n  $ longread ask . "What is the default timeout of a request?" --why')
    .action(ask)
}

async function ask(dir: string, question: string, flags: AskFlags): Promise<void> {
  if (question.trim() === '') throw new LongreadError('usage', 'The question is empty.')
  const { temperature, topP, seed, maxTokens, readingTokens } = flags
  const reading = askedReading(flags)
  const request: AskRequest = {
    ...(await streamRequest(dir, flags)),
    ...recallPart(flags),
    question,
    readingTokens,
    sampling: { temperature, topP, seed, maxTokens },
    ...reading,
  }
  await withSession(flags.json === true, async ({ client, signal, view }) => {
    const result = await client.call('ask', request, {
      signal,
      onProgress: (p) => view.show(p),
      onText: (text) => {
        view.clear()
        if (!flags.json) process.stdout.write(printable(text))
      },
      onRestart: () => {
        if (!flags.json) process.stdout.write('\n')
      },
    })
    view.clear()
    if (flags.json) return void process.stdout.write(`${jsonLine(result)}\n`)
    process.stdout.write('\n')
    const cited = new Set(result.citations.map(({ file, startLine, endLine }) => `${file}:${startLine}-${endLine}`))
    if (cited.size > 0) process.stdout.write('\nFrom:\n')
    for (const place of cited) process.stdout.write(`  ${oneLine(place)}\n`)
    if (result.missing) process.stdout.write(`\n${describeMissing(result.missing)}\n`)
    if (!flags.why) return
    process.stdout.write(`\n${result.memory ? 'Looked up' : 'Read'}:\n`)
    for (const unit of result.reading) printUnit(unit)
    if (result.memory) process.stdout.write(`\n${describeMemory(result.memory)}\n`)
    process.stdout.write(`\n${describeWay(result.from)}\n`)
    const { recall, firstToken, answer } = result.timings
    process.stdout.write(
      `\nFound in ${seconds(recall / 1000)}, first word after ${seconds(firstToken / 1000)} more, answered in ${seconds(answer / 1000)}.\n`,
    )
  })
}
