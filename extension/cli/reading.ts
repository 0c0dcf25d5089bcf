/** `longread stream` and `longread recall`: read a folder; find the code that questions mean. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { LongreadError } from '../errors'
import type { Missing, Progress, RecallResult, RecalledUnit, SkippedFile, StreamResult } from '../protocol/types'
import { describeStages } from '../recall/stages'
import { describeMemory, memoryReadingOf, streamReadingOptions, type MemoryReadingFlags } from './memory-reading'
import { commonOptions, recallOptions, recallPart, streamRequest, type CommonFlags, type RecallFlags } from './options'
import { withSession } from './session'
import { bytes, jsonLine, oneLine, seconds } from './terminal'

const print = (text: string) => process.stdout.write(`${text}\n`)

export function addReading(program: Command): void {
  streamReadingOptions(commonOptions(program.command('stream <dir>')))
    .summary('read a folder into the memory')
    .description(
      'Reads every file of a folder that is worth reading, once. What was read before and has not changed is not read again.\nIgnored: what .gitignore and .longreadignore say, binary, generated, minified, lock and oversized files, and secrets.',
    )
    .option('--skipped', 'list every file that was left out, with the reason')
    .addHelpText('after', '\nExample:\n  $ longread stream . --skipped')
    .action(stream)
  recallOptions(program.command('recall <dir> [question]'), 10)
    .summary('find the code that a question means')
    .description(
      'Finds the code that a question means, and says which words found it. Reads the folder first where it has changed.',
    )
    .option('--questions <file>', 'one JSON object a line: {"question": "…"}')
    .option('--timings', 'say how long each stage of a question took')
    .addHelpText(
      'after',
      '\nExamples:\n  $ longread recall . "where are proxy settings read from the environment?"\n  $ longread recall . --questions questions.jsonl --json --no-rerank',
    )
    .action(recall)
}

async function stream(
  dir: string,
  flags: CommonFlags & MemoryReadingFlags & { readonly skipped?: boolean },
): Promise<void> {
  const reading = memoryReadingOf(flags)
  const request = await streamRequest(dir, flags)
  await withSession(flags.json === true, async ({ client, signal, view }) => {
    const tools = { signal, onProgress: (p: Progress) => view.show(p) }
    const result = reading
      ? await client.call('streamMemory', { ...request, reading }, tools)
      : await client.call('stream', request, tools)
    view.clear()
    if (flags.json) return void print(jsonLine(result))
    print('diskBytes' in result ? describeMemory(result) : describeStream(result))
    if (flags.skipped) printSkipped(result.skipped)
    else if (result.skipped.length > 0) print(`${result.skipped.length} left out; --skipped says which and why.`)
  })
}

export function describeStream(result: StreamResult): string {
  const { files, reused, units, tokens, tokensPerSecond, memoryBytes } = result
  const read = files - reused
  const held = `${files} files held (${read} read now, ${reused} kept from before), ${units} units, ${tokens.toLocaleString('en-US')} tokens.`
  if (read === 0) return held
  return `${held}\nRead in ${seconds(result.seconds)} at ${Math.round(tokensPerSecond)} tokens/s. Memory: ${bytes(memoryBytes)}.`
}

/** What an answer does not know yet. */
export function describeMissing(missing: Missing): string {
  const { files, first } = missing
  const named = first.slice(0, 3).map(oneLine).join(', ')
  return `${files.toLocaleString('en-US')} ${files === 1 ? 'file is' : 'files are'} not read yet and could not be found: ${named}${files > 3 ? ', …' : ''}`
}

function printSkipped(skipped: readonly SkippedFile[]): void {
  print(`Left out (${skipped.length}):`)
  for (const { file, reason } of skipped) print(`  ${oneLine(file)}  — ${oneLine(reason)}`)
}

async function recall(
  dir: string,
  question: string | undefined,
  flags: RecallFlags & { questions?: string; timings?: boolean },
): Promise<void> {
  const questions = flags.questions === undefined ? [] : await readQuestions(flags.questions)
  if (question !== undefined) questions.unshift(question)
  if (questions.length === 0)
    throw new LongreadError('usage', 'Give a question, or --questions with a file of them. See longread recall --help.')
  const request = { ...(await streamRequest(dir, flags)), ...recallPart(flags), questions }
  await withSession(flags.json === true, async ({ client, signal, view }) => {
    const results = await client.call('recall', request, { signal, onProgress: (p) => view.show(p) })
    view.clear()
    for (const result of results) {
      if (flags.json) print(jsonLine(result))
      else printResult(result)
      if (flags.timings && !flags.json && result.stages) print(`  ${describeStages(result.stages)}`)
    }
  })
}

async function readQuestions(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new LongreadError('usage', `${file} cannot be read: ${cause instanceof Error ? cause.message : ''}`)
  })
  const lines = text.split('\n')
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      const { question } = JSON.parse(line) as { question?: unknown }
      if (typeof question === 'string') return [question]
    } catch {
      // told below
    }
    throw new LongreadError('usage', `${file}, line ${i + 1}: want {"question": "…"}.`)
  })
}

function printResult({ question, units, ms, missing }: RecallResult): void {
  print(`\n${oneLine(question)}  (${seconds(ms / 1000)})`)
  if (units.length === 0) print('  nothing is held')
  for (const unit of units) printUnit(unit)
  if (missing) print(describeMissing(missing))
}

export function printUnit(unit: RecalledUnit): void {
  const words = unit.foundBy.slice(0, 4).map(({ word, share }) => `${word} ${Math.round(share * 100)} %`)
  const signals = Object.entries(unit.signals).map(([name, z]) => `${name} ${z.toFixed(1)}`)
  print(
    `  ${unit.score.toFixed(2).padStart(6)}  ${oneLine(unit.file)}:${unit.startLine}-${unit.endLine}  ${oneLine(unit.symbol)}`,
  )
  print(`          ${signals.join(', ')}${words.length > 0 ? `; found by ${oneLine(words.join(', '))}` : ''}`)
}
