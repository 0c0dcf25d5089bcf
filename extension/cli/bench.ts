/** `longread bench`: the benches of the source checkout. They are not part of the package, so they are loaded when they are there. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as path from 'node:path'
import type { Command } from 'commander'
import { packageRoot } from '../engine/addon'
import { LongreadError } from '../errors'

/** test/bench/bench.ts. */
interface Benches {
  readonly benchNames: readonly string[]
  runBench(name: string, args: readonly string[]): Promise<void>
}

export function addBench(program: Command): void {
  program
    .command('bench <name> [args...]')
    .summary('measure speed, recall or answers (in the source checkout)')
    .description('Measures Longread on this machine and prints the figures with the command that gives them.')
    .allowUnknownOption()
    .addHelpText(
      'after',
      "\nBenches:\n  speed [--quick] [--only PART,…]                  streaming against llama_decode, recall, first token, memory\n  cuda [--shape NAME,…|--model FILE] [--seconds N] reading and generating on a GPU against llama_decode\n  cuda --repository DIR [--shape NAME] [--tokens N] a folder read and asked about on a GPU\n  cuda --repository DIR --beside [--shape NAME|--model FILE] [--weights fp8] the floor, llama_decode and reading it\n  recall [NAME|SPLIT|DIR …] [--rankers NAME,…]     how high the code that is meant is ranked\n  recall --calibrate [NAME|SPLIT|DIR …] --out FILE which heads of a model find code\n  facts [--limit N] [--seed N]                     constants planted in a repository, asked for\n  editor [--seconds N,…]                            first word of an answer in the editor, ready after a restart\n  window [--frames] [--without]                     activation, ready after a reload, gaps of the extension host\n  pictures [--to FOLDER]                            the README's pictures of the extension\n  longcontext [--tasks NAME,…] [--lengths 16K,…]   what is found in texts to a million tokens, by InfLLM and others\n  memory [--only SUITE,…] [--kills N] [--damage N]  what the memory on disk must bear: kills, damage, edits",
    )
    .action(bench)
}

async function bench(name: string, args: readonly string[]): Promise<void> {
  const file = path.join(packageRoot(), 'out/test/bench/bench.js')
  if (!existsSync(file))
    throw new LongreadError(
      'usage',
      'The benches are in the source checkout of Longread, not in the package: build it there first.',
    )
  const benches = createRequire(__filename)(file) as Benches
  if (!benches.benchNames.includes(name))
    throw new LongreadError('usage', `No bench is called "${name}". There are ${benches.benchNames.join(', ')}.`)
  await benches.runBench(name, args)
}
