/** Questions asked in the code: what they are about, and how they are put so that the whole repository can answer them. */
import type { Place } from '../protocol/types'
import type { Fill } from './follow-ups'

export type Preset = 'explain' | 'uses' | 'breaks'

export interface Subject {
  readonly file: string
  readonly startLine: number
  readonly endLine: number
  /** What is selected, if it is one name. */
  readonly selected?: string
}

export interface InlineQuestion {
  readonly question: string
  /** Undefined: everywhere. */
  readonly within: readonly Place[] | undefined
}

/** Words that stand before names, in the languages that are read, and are none. */
const keywords = new Set(
  (
    'abstract async await break case catch class const continue def default defer delete do else enum export extends extern final ' +
    'finally fn for foreach from func function go if impl implements import in interface internal is lambda let match mod module ' +
    'mut namespace new not of or override package pass private protected pub public raise return self static struct super switch ' +
    'template this throw throws trait try type typedef union unsafe use using var virtual void where while with yield'
  ).split(' '),
)

const isName = (text: string): boolean => /^[\p{L}_$][\p{L}\p{N}_$.]{0,120}$/u.test(text) && !keywords.has(text)

/** What may stand around the lines: a unit, or what the editor knows of its language. */
export interface Named {
  /** Empty: it has none. */
  readonly symbol: string
  readonly startLine: number
  readonly endLine: number
}

/**
 * The name that a question means: what is selected, else the smallest definition around the lines; empty where there is none.
 * `all` are those of the file.
 */
export function nameOf({ startLine, endLine, selected }: Subject, all: readonly Named[]): string {
  const name = selected?.trim() ?? ''
  if (isName(name)) return name
  const around = all
    .filter((named) => named.symbol !== '' && named.startLine <= startLine && named.endLine >= endLine)
    .sort((a, b) => a.endLine - a.startLine - (b.endLine - b.startLine))
  return around[0]?.symbol.split(', ')[0]?.split('.').at(-1) ?? ''
}

/** One of the questions that are offered. Explaining needs the lines alone; uses and effects lie everywhere. */
export function presetQuestion(preset: Preset, subject: Subject, name: string, fill: Fill): InlineQuestion {
  const place = `${subject.file}:${subject.startLine}`
  const what = name === '' ? place : name
  switch (preset) {
    case 'explain':
      return { question: fill('Explain what {0} does.', what), within: [placeOf(subject)] }
    case 'uses':
      return { question: fill('Where is {0} used, and how?', what), within: undefined }
    case 'breaks':
      return { question: fill('What depends on {0} and breaks if it changes?', what), within: undefined }
  }
}

/** A question of one's own: what it is about is named in it, unless it is already. */
export function ownQuestion(text: string, subject: Subject, name: string, fill: Fill): InlineQuestion {
  const known = name === '' || text.includes(name)
  const question = known ? text.trim() : fill('{0} (about {1} in {2})', text.trim(), name, subject.file)
  return { question, within: undefined }
}

const placeOf = ({ file, startLine, endLine }: Subject): Place => ({ file, startLine, endLine })
