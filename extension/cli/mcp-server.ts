/**
 * Longread for other programs' agents, by the Model Context Protocol: recall finds code, ask answers with citations, read gives the
 * lines of a file. One folder, read in the background from the start; secrets and ignored files are out of reach here, too.
 */
import { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { foundAsText, linesOf } from '../answer/as-text'
import { placeText } from '../answer/export'
import { oneLine } from '../answer/plain'
import type { WorkspaceSession } from '../engine/workspace-session'
import { asLongreadError, LongreadError } from '../errors'
import { discover, readSource, savedText } from '../workspace/discovery'
import type { Place } from '../protocol/types'

export interface McpParts {
  readonly root: string
  readonly version: string
  readonly session: Pick<WorkspaceSession, 'ask' | 'recall'>
  readonly answer: { readonly readingTokens: number; readonly maxTokens: number }
}

const recallOptions = { signals: 'all', rerank: true, rarity: true } as const
const mostLines = 2000

const question = z.string().min(1).max(4000).describe('A question in plain words, or the name of something.')
const within = z
  .array(z.string().min(1).max(1000))
  .max(20)
  .optional()
  .describe('Only in these files or folders (folders end with a slash), relative to the root.')

export function createMcpServer({ root, version, session, answer }: McpParts): McpServer {
  const server = new McpServer(
    { name: 'longread', version },
    {
      instructions:
        'Longread has read this repository with a local model. Use recall to find the code that a question means, before grep; read to see lines; ask for a short answer of a small local model.',
    },
  )
  const places = (names: readonly string[] | undefined): { within?: readonly Place[] } =>
    names ? { within: names.map((file) => ({ file })) } : {}

  server.registerTool(
    'recall',
    {
      title: 'Find code',
      description: 'Finds the functions, classes and sections that a question means, with their code, best first.',
      inputSchema: z.object({ question, top: z.number().int().min(1).max(50).default(8), within }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ question: asked, top, within: names }, { mcpReq: { signal } }) =>
      told(async () => {
        const what = { questions: [asked], top, ...recallOptions, ...places(names) }
        const [result] = await session.recall(what, { signal })
        const units = result?.units ?? []
        const found = await Promise.all(
          units.map(async (unit) => ({
            unit,
            code: linesOf(await savedText(root, unit.file), unit.startLine, unit.endLine),
          })),
        )
        return foundAsText(found)
      }),
  )
  server.registerTool(
    'ask',
    {
      title: 'Ask about the repository',
      description: 'A short answer of a small local model that reads the code it finds, with the places it looked at.',
      inputSchema: z.object({ question, within }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ question: asked, within: names }, { mcpReq: { signal } }) =>
      told(async () => {
        const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: answer.maxTokens }
        const { readingTokens } = answer
        const what = { question: asked, top: 24, ...recallOptions, readingTokens, sampling, ...places(names) }
        const result = await session.ask(what, { signal })
        const cited = new Set(result.citations.map((citation) => placeText(citation)))
        return cited.size === 0 ? result.answer : `${result.answer}\n\nFrom: ${[...cited].join(', ')}`
      }),
  )
  server.registerTool(
    'read',
    {
      title: 'Read lines',
      description: 'The lines of a file of the repository, by its path relative to the root.',
      inputSchema: z.object({
        file: z.string().min(1).max(4096),
        startLine: z.number().int().min(1).default(1),
        endLine: z.number().int().min(1).optional(),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ file, startLine, endLine }) =>
      told(async () => {
        // What ignore rules leave out of the memory is left out here, too.
        const { files } = await discover(root, { only: [file] })
        const [found] = files
        if (found?.file !== file)
          throw new LongreadError('usage', `${file} is not among the files that Longread reads.`)
        const source = await readSource(root, file, { wanted: found.wanted })
        if ('skipped' in source) throw new LongreadError('usage', `${file} is left out: ${source.skipped}.`)
        const last = Math.min(endLine ?? Infinity, startLine + mostLines - 1)
        return linesOf(source.text, startLine, last)
      }),
  )
  return server
}

/** Errors are told to the model that called, which may ask better; they end nothing. */
async function told(work: () => Promise<string>) {
  try {
    return { content: [{ type: 'text' as const, text: await work() }] }
  } catch (thrown) {
    const { code, message } = asLongreadError(thrown)
    return { isError: true, content: [{ type: 'text' as const, text: `${oneLine(message)} [${code}]` }] }
  }
}
