/** What the sections of a summary are made with and of. */
import type { AskResult, Citation, HeldFile, Place, RecallResult } from '../../protocol/types'
import type { References } from '../../workspace/units'
import { inMarkdown } from '../plain'

export interface SummaryTools {
  ask(question: string, within?: readonly Place[]): Promise<Pick<AskResult, 'answer' | 'citations'>>
  recall(question: string, top: number): Promise<RecallResult>
  /** Empty where the file has gone. */
  text(file: string): Promise<string>
  references(file: string): Promise<References>
}

export interface Repository {
  /** What is summarised: all, or what lies in `folder`. */
  readonly outline: readonly HeldFile[]
  /** With a slash at its end; empty: the whole repository. */
  readonly folder: string
  /** Of the whole repository, so that uses from elsewhere count. */
  readonly references: ReadonlyMap<string, References>
}

/** A citation as a link that editors and forges follow. */
export const cite = ({ file, startLine, endLine }: Citation): string => {
  const lines = endLine > startLine ? `${startLine}-${endLine}` : String(startLine)
  return `[${inMarkdown(file)}:${lines}](${linkTo(file)}#L${startLine})`
}

/** A path as the target of a Markdown link: one that begins like an address (`command:…`) is a path all the same. */
export const linkTo = (file: string): string =>
  (/^[^/]*:/.test(file) ? './' : '') + encodeURI(file.replace(/\p{Surrogate}/gu, '\ufffd')).replace(/[()#?&]/g, escape)

const escape = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
