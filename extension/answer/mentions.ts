/**
 * What a question points at with `@`: files, folders and symbols that are held, and the selection. Completes what is typed after
 * the mark, and turns a question with marks into words and places.
 */
import type { Mention } from '../protocol/chat'
import type { HeldFile, Place } from '../protocol/types'

const mostOffered = 12

export const labelOf = (name: string): string => name.replace(/\s+/g, '_')

/** Everything that can be mentioned. */
export function mentionsIn(outline: readonly HeldFile[]): Mention[] {
  const folders = new Set<string>()
  const files: Mention[] = []
  const symbols: Mention[] = []
  for (const { file, units } of outline) {
    files.push({ kind: 'file', file, label: labelOf(file) })
    for (let slash = file.indexOf('/'); slash >= 0; slash = file.indexOf('/', slash + 1))
      folders.add(file.slice(0, slash + 1))
    const seen = new Set<string>()
    for (const { symbol, kind, startLine, endLine } of units) {
      if (symbol === '' || kind === 'section' || kind === 'text' || seen.has(symbol)) continue
      seen.add(symbol)
      symbols.push({ kind: 'symbol', file, startLine, endLine, label: labelOf(symbol) })
    }
  }
  const folderMentions = [...folders].map((file): Mention => ({ kind: 'folder', file, label: labelOf(file) }))
  return [...files, ...folderMentions, ...symbols]
}

/** The best fits for what was typed, best first. */
export function complete(typed: string, all: readonly Mention[]): Mention[] {
  const wanted = typed.toLowerCase()
  return all
    .map((mention, order) => ({ mention, order, score: fit(wanted, mention.label.toLowerCase()) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.mention.label.length - b.mention.label.length || a.order - b.order)
    .slice(0, mostOffered)
    .map(({ mention }) => mention)
}

/** 0: the letters do not occur in this order. A name that starts with them fits best, then one that holds them. */
function fit(wanted: string, label: string): number {
  if (wanted === '') return 1
  const name = label.slice(label.replace(/\/$/, '').search(/[^/.]*(?:\.[^/.]*)?$/))
  if (label === wanted || name === wanted) return 6
  if (name.startsWith(wanted)) return 5
  if (label.startsWith(wanted)) return 4
  if (name.includes(wanted)) return 3
  if (label.includes(wanted)) return 2
  let at = 0
  for (const letter of wanted) {
    at = label.indexOf(letter, at) + 1
    if (at === 0) return 0
  }
  return 1
}

export interface Pointed {
  /** The question in words: marks have become the names that they mean. */
  readonly question: string
  /** Undefined: everywhere. */
  readonly within: readonly Place[] | undefined
}

/** @param explain what is asked of a mention alone, such as `Explain {0}.` filled in. */
export function point(text: string, mentions: readonly Mention[], explain: (name: string) => string): Pointed {
  let question = text
  const places: Place[] = []
  const names: string[] = []
  // Longer labels first: one may start another.
  for (const mention of [...mentions].sort((a, b) => b.label.length - a.label.length)) {
    const mark = `@${mention.label}`
    if (!question.includes(mark)) continue
    const name = mention.kind === 'symbol' ? mention.label : mention.file
    question = question.split(mark).join(mention.kind === 'selection' ? '' : name)
    names.push(name)
    places.push(placeOf(mention))
  }
  const words = names.reduce((rest, name) => rest.split(name).join(' '), question)
  if (places.length > 0 && !/[\p{L}\p{N}]/u.test(words)) question = explain(names.join(', '))
  return { question: question.replace(/\s+/g, ' ').trim(), within: places.length > 0 ? places : undefined }
}

const placeOf = ({ file, startLine, endLine }: Mention): Place => ({
  file,
  ...(startLine === undefined ? {} : { startLine }),
  ...(endLine === undefined ? {} : { endLine }),
})
