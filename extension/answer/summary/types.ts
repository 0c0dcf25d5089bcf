/** What the sections of a summary are made with and of. */
import type { AskResult, Citation, HeldFile, Place, RecallResult } from '../../protocol/types'
import type { References } from '../../workspace/units'

export interface SummaryTools {
  ask(question: string, within?: readonly Place[]): Promise<AskResult>
  recall(question: string, top: number): Promise<RecallResult>
  /** Empty where the file has gone. */
  text(file: string): Promise<string>
  references(file: string): Promise<References>
}

export interface Repository {
  readonly outline: readonly HeldFile[]
  readonly references: ReadonlyMap<string, References>
}

/** A citation as a link that editors and forges follow. */
export const cite = ({ file, startLine, endLine }: Citation): string => {
  const lines = endLine > startLine ? `${startLine}-${endLine}` : String(startLine)
  return `[${file.replace(/[[\]\\]/g, '\\$&')}:${lines}](${encodeURI(file).replace(/[()]/g, escape)}#L${startLine})`
}

const escape = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
