/** Makes the sections of a summary in the engine process, from a memory and the files as they are. */
import type { AnsweredFrom, AskRequest, AskResult, Section, SectionRequest } from '../../protocol/types'
import type { Memory } from '../../recall/memory'
import { recall } from '../../recall/recall'
import { readSource } from '../../workspace/discovery'
import { references } from '../../workspace/units'
import { answer, type AnswerTools } from '../answer'
import { makeSection } from './summarize'

const how = { signals: 'all', rerank: true, rarity: true } as const
/** One to three sentences; the sections are short. */
const sampling = { temperature: 0, topP: 1, seed: 0, maxTokens: 120 }
const readingTokens = 700
/** Of the whole repository's units, where recall chooses them for a memory. */
const top = 24

/** Asks the whole repository another way than by units read afresh. */
export type AskAll = (
  request: Pick<AskRequest, 'question' | 'sampling' | 'readingTokens' | 'top' | 'signals' | 'rerank' | 'rarity'>,
) => Promise<Pick<AskResult, 'answer' | 'citations'>>

/** Where answers about the whole repository come from; those about places in it are answered from units read afresh. */
export interface SummaryWay {
  readonly from: AnsweredFrom
  /** Left out: afresh, too. */
  readonly askAll?: AskAll | undefined
}

export async function summarySection(
  memory: Memory,
  { section, folder = '' }: Pick<SectionRequest, 'section' | 'folder'>,
  tools: AnswerTools,
  { from, askAll }: SummaryWay,
): Promise<Section> {
  const inside = folder === '' ? {} : { within: [{ file: folder }] }
  const quiet = { ...tools, text: () => undefined }
  const text = async (file: string) => {
    tools.signal.throwIfAborted()
    const source = await readSource(memory.root, file)
    return 'text' in source ? source.text : ''
  }
  let asked: AnsweredFrom | undefined
  const made = await makeSection(section, memory.outline(), folder, {
    ask: async (question, within) => {
      const all = within || folder !== '' ? undefined : askAll
      asked = all || from.way === 'afresh' ? from : { way: 'afresh' }
      if (all) return all({ question, sampling, readingTokens, top, ...how })
      return answer(memory, { question, sampling, readingTokens, ...how, ...(within ? { within } : inside) }, quiet)
    },
    recall: (question, top) => recall(memory, question, { top, ...how, rerank: false, ...inside }, tools),
    text,
    references: async (file) => references(file, await text(file)),
  })
  return asked ? { ...made, from: asked } : made
}
