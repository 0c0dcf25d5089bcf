/**
 * A profile from repositories of the corpus, by the product's own `longread calibrate` on their folders.
 *
 *   longread bench recall --calibrate [NAME|SPLIT|DIR …] --out FILE [--tokens N] [--seed N] [--model NAME|FILE] …
 *
 * Without names the calibration split is taken. --help lists the options.
 */
import { Command, CommanderError } from 'commander'
import { calibrate, calibrateOptions, commandLine, type CalibrateFlags } from '../../../extension/cli/calibrating'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'
import { isOfCorpus } from './prepare'

async function foldersOf(what: readonly string[]): Promise<string[]> {
  const folders: string[] = []
  for (const one of what) {
    if (!isOfCorpus(one)) folders.push(one)
    else for (const repository of chooseRepositories([one])) folders.push((await fetchRepository(repository)).folder)
  }
  return folders
}

export async function main(args: readonly string[]): Promise<void> {
  const program = calibrateOptions(new Command('longread bench recall').argument('[what...]'))
    .option('--calibrate', 'make a profile instead of measuring one')
    .exitOverride()
    .action(async (named: readonly string[], flags: CalibrateFlags, command: Command) => {
      const what = named.length > 0 ? named : ['calibration']
      await calibrate(await foldersOf(what), flags, commandLine('longread bench recall --calibrate', what, command))
    })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    // Commander has said what was wrong; help ends here, too.
    if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : 2
    else throw thrown
  }
}
