/** `longread model list|pull|use`: which models are here, bring one, choose one. */
import type { Command } from 'commander'
import { catalogue, defaultModel, listModels, useModel } from '../engine/catalogue'
import { pullModel } from '../engine/download'
import { cancelled, noModel } from '../errors'
import { bytes, jsonLine, oneLine, ProgressView } from './terminal'

export function addModels(program: Command): void {
  const model = program
    .command('model')
    .summary('list, bring and choose models')
    .description('Models that Longread can read.')
  model
    .command('list')
    .summary('models that are known or on disk')
    .option('--json', 'one JSON object a line')
    .action(async (flags: { json?: boolean }) => {
      for (const found of await listModels()) {
        if (flags.json) process.stdout.write(`${jsonLine(found)}\n`)
        else {
          const state = found.problem ? found.problem : found.onDisk ? 'here' : 'not here; pull it'
          process.stdout.write(
            `${found.inUse ? '*' : ' '} ${oneLine(found.name).padEnd(18)} ${bytes(found.bytes).padStart(9)}  ${oneLine(found.title)} (${oneLine(state)})\n`,
          )
        }
      }
    })
  model
    .command('pull [name-or-address]')
    .summary('bring a model, by name or from an https address')
    .description(
      'Downloads a model, checks it, and keeps it in the cache folder of the user. A broken download goes on where it stopped.',
    )
    .option('--sha256 <sum>', 'of the file; needed with an address')
    .option('--json', 'progress and result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ longread model pull\n  $ longread model pull gemma3-270m\n  $ longread model pull https://example.org/model.gguf --sha256 0123…',
    )
    .action(async (what: string | undefined, flags: { sha256?: string; json?: boolean }) => {
      const name = what ?? defaultModel.name
      const known = catalogue.find((m) => m.name === name)
      if (!known && !/^https?:/.test(name)) throw noModel(name)
      const abort = new AbortController()
      const stop = () => abort.abort(cancelled())
      process.on('SIGINT', stop)
      const view = new ProgressView(process.stderr, flags.json === true)
      try {
        const pulled = await pullModel(known ?? name, {
          signal: abort.signal,
          onProgress: (p) => view.show(p),
          ...(flags.sha256 === undefined ? {} : { sha256: flags.sha256 }),
        })
        view.clear()
        process.stdout.write(
          flags.json
            ? `${jsonLine(pulled)}\n`
            : `${pulled.name} is ${pulled.reused ? 'already here' : 'here now'}: ${oneLine(pulled.path)}\n`,
        )
      } finally {
        view.clear()
        process.off('SIGINT', stop)
      }
    })
  model
    .command('use <name-or-file>')
    .summary('choose the model that is used from now on')
    .action(async (what: string) => {
      const used = await useModel(what)
      process.stdout.write(`${used.name} is used from now on.\n`)
    })
}
