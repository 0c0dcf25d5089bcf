#!/usr/bin/env node
/**
 * The command `longread`. Exit codes: 0 done, 1 failed with one line on stderr, 2 wrong use, 130 cancelled.
 */
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { Command, CommanderError } from 'commander'
import { addAsking } from './cli/asking'
import { addBench } from './cli/bench'
import { addCalibrating } from './cli/calibrating'
import { addMcp } from './cli/mcp'
import { addMemory } from './cli/memory'
import { addModels } from './cli/models'
import { addReading } from './cli/reading'
import { addSummarizing } from './cli/summarizing'
import { oneLine } from './cli/terminal'
import { addWatching } from './cli/watching'
import { packageRoot } from './engine/addon'
import { asLongreadError, type ErrorCode } from './errors'

function build(): Command {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  const program = new Command('longread')
    .description(
      "Reads a whole repository through a local model, once, and lets the model's own attention find the code that a question means.\nNothing leaves this machine.",
    )
    .version(version)
    .showHelpAfterError('(longread --help shows how)')
    .addHelpText(
      'after',
      '\nStart here:\n  $ longread model pull                          # once: brings the default model, 98 MB\n  $ longread ask . "where are settings stored?"  # reads the folder, answers, cites\n\nExit codes: 0 done, 1 failed, 2 wrong use, 130 cancelled.',
    )
    .exitOverride()
  addReading(program)
  addWatching(program)
  addAsking(program)
  addSummarizing(program)
  addMemory(program)
  addModels(program)
  addCalibrating(program)
  addMcp(program, version)
  addBench(program)
  return program
}

const exitCodes: Partial<Record<ErrorCode, number>> = { usage: 2, cancelled: 130 }

async function main(): Promise<number> {
  try {
    await build().parseAsync()
    return 0
  } catch (thrown) {
    // Commander has printed what was wrong; help and version end here, too.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2
    const error = asLongreadError(thrown)
    process.stderr.write(`longread: ${oneLine(error.message)} [${error.code}]\n`)
    return exitCodes[error.code] ?? 1
  }
}

// A reader that goes away (`longread … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

void main().then((code) => {
  process.exitCode = code
})
