/**
 * A summary of a whole repository, section by section. What can be found in the code is found there; what must be told is asked of
 * the model, and each sentence of it carries the places that the model looked at.
 */
import type { AskResult, HeldFile, Section, SectionId } from '../../protocol/types'
import { describeWay } from '../../infllm/choice'
import { insertAt } from '../insertions'
import { harmless, neutral } from '../harmless'
import { inMarkdown, oneLine } from '../plain'
import { sentences } from '../sentences'
import type { References } from '../../workspace/units'
import { drawArchitecture } from './architecture'
import { commonChanges, entryPoints, mainTypes, risks } from './found'
import { purposeQuote, runQuotes } from './quoted'
import { cite, type Repository, type SummaryTools } from './types'

interface Recipe {
  readonly title: string
  readonly make: (repository: Repository, tools: SummaryTools) => Promise<string>
  /** It needs to know who imports and calls what, which takes parsing every file. */
  readonly parsed?: true
}

const recipes: Readonly<Record<SectionId, Recipe>> = {
  purpose: { title: 'Purpose', make: purpose },
  run: { title: 'How to run it', make: run },
  architecture: { title: 'Architecture', make: (r) => Promise.resolve(drawArchitecture(r)), parsed: true },
  entries: { title: 'Entry points', make: entryPoints },
  types: { title: 'Main types', make: types, parsed: true },
  flow: { title: 'Data flow', make: flow },
  changes: { title: 'Where to start for common changes', make: (_, tools) => commonChanges(tools) },
  risks: { title: 'Risks', make: risks },
}

export const sectionIds = Object.keys(recipes) as readonly SectionId[]

/** @param folder of which the section is to be, with a slash at its end; empty: of all that is held */
export async function makeSection(
  id: SectionId,
  held: readonly HeldFile[],
  folder: string,
  tools: SummaryTools,
): Promise<Section> {
  const { title, make, parsed } = recipes[id]
  const references = new Map<string, References>()
  if (parsed) for (const { file } of held) references.set(file, await tools.references(file))
  return { id, title, markdown: await make({ outline: heldIn(held, folder), folder, references }, tools) }
}

export const heldIn = (held: readonly HeldFile[], folder: string): readonly HeldFile[] =>
  held.filter(({ file }) => file.startsWith(folder))

export function summaryText(name: string, sections: readonly Section[]): string {
  // A folder may have nothing to be said about its architecture, say.
  const told = sections.filter(({ markdown }) => markdown.trim() !== '')
  const parts = told.map(({ title, markdown }) => `## ${title}\n\n${markdown.trim()}`)
  return `${[`# ${inMarkdown(name)}`, ...parts, ...waysOf(told)].join('\n\n')}\n`
}

/** Where the model's answers came from, a line each way. */
function waysOf(sections: readonly Section[]): string[] {
  const titles = new Map<string, string[]>()
  for (const { title, from } of sections) {
    if (!from) continue
    const way = describeWay(from)
    titles.set(way, [...(titles.get(way) ?? []), title])
  }
  return [...titles].map(([way, of]) => `*${of.join(', ')}: ${way.charAt(0).toLowerCase()}${way.slice(1)}*`)
}

async function purpose({ outline, folder }: Repository, tools: SummaryTools): Promise<string> {
  const question = folder === '' ? 'What is this project, and what is it for?' : `What is ${folder} for?`
  return (await purposeQuote(outline, tools)) ?? told(await tools.ask(question))
}

async function run({ outline }: Repository, tools: SummaryTools): Promise<string> {
  const question = 'How is this project installed, built, started and tested?'
  return (await runQuotes(outline, tools)) ?? told(await tools.ask(question))
}

async function flow(_: Repository, tools: SummaryTools): Promise<string> {
  return told(await tools.ask('Where does input come in, how is it processed, and where does the result go?'))
}

async function types(repository: Repository, tools: SummaryTools): Promise<string> {
  const parts: string[] = []
  for (const { file, symbol, startLine, endLine, uses } of mainTypes(repository)) {
    const place = { file, startLine, endLine }
    const { answer } = await tools.ask(`What is ${symbol} for?`, [place])
    const [first] = sentences(answer)
    const sentence = first ? answer.slice(first.start, first.end).trim() : ''
    parts.push(
      `- **${inMarkdown(symbol)}** (${cite(place)}; used ${uses} times elsewhere): ${neutral(oneLine(sentence))}`,
    )
  }
  return parts.length === 0 ? 'There are no classes or types with names.' : parts.join('\n')
}

/** An answer with the places behind its sentences. */
function told({ answer, citations }: Pick<AskResult, 'answer' | 'citations'>): string {
  const ends = sentences(answer).map(({ end }) => end)
  const marks = ends.flatMap((at, sentence) => {
    const places = new Set(citations.filter((c) => c.sentence === sentence).map((c) => cite(c)))
    return places.size === 0 ? [] : [{ at, text: ` ${[...places].join(', ')}` }]
  })
  return insertAt(shown(answer), shifted(answer, marks))
}

/** In a document of ours nothing of an answer is a heading. */
const shown = (text: string): string => harmless(text.replace(/^#+\s+/gm, ''))

/** Marks moved by what `shown` has changed before them. */
const shifted = (answer: string, marks: readonly { at: number; text: string }[]) =>
  marks.map(({ at, text }) => ({ at: shown(answer.slice(0, at)).length, text }))
