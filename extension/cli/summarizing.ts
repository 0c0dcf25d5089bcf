/** `longread summarize`: what a repository is, how it is built and where to begin, as Markdown with citations. */
import * as path from 'node:path'
import type { Command } from 'commander'
import { runSummary } from '../answer/summary/keeper'
import { summaryText } from '../answer/summary/summarize'
import { summariesIn } from '../store/folder'
import { readingBy } from '../infllm/choice'
import { answeringWay, type MemoryReadingFlags } from './memory-reading'
import { commonOptions, streamRequest, type CommonFlags } from './options'
import { withSession } from './session'
import { jsonLine, printable } from './terminal'

export function addSummarizing(program: Command): void {
  answeringWay(commonOptions(program.command('summarize <dir>')))
    .summary('describe a whole repository, with citations')
    .description(
      'Writes Markdown: purpose, how to run it, a picture of folders and imports, entry points, main types, data flow, where to start, risks.\nBroken off, the next run goes on where it was.',
    )
    .addHelpText('after', '\nExample:\n  $ longread summarize . > SUMMARY.md')
    .action(summarize)
}

type Flags = CommonFlags & Pick<MemoryReadingFlags, 'reading'>

async function summarize(dir: string, flags: Flags): Promise<void> {
  const request = { ...(await streamRequest(dir, flags)), ...readingBy(flags.reading) }
  await withSession(flags.json === true, async ({ client, signal, view }) => {
    const options = { signal, onProgress: view.show.bind(view) }
    await client.call('stream', request, options)
    const outline = await client.call('outline', request, options)
    let told = 0
    const sections = await runSummary({
      root: request.root,
      outline,
      model: path.basename(request.model),
      reading: request.reading,
      folder: request.memory === null ? undefined : summariesIn(request.memory),
      make: (section) => client.call('section', { ...request, section, now: true }, options),
      onSections: (all) => {
        view.clear()
        if (flags.json) process.stdout.write(`${jsonLine(all.at(-1))}\n`)
        else process.stderr.write(`${all.at(-1)?.title ?? ''} (${++told})\n`)
      },
    })
    view.clear()
    if (!flags.json) process.stdout.write(printable(summaryText(path.basename(request.root), sections)))
  })
}
