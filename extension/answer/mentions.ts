/**
 * What a question points at with `@`: files, folders and symbols that are held, and the selection. Completes what is typed after
 * the mark, and turns a question with marks into words and places.
 */
import { cancelled } from '../errors'
import type { Mention } from '../protocol/chat'
import type { HeldFile, Place } from '../protocol/types'

const mostOffered = 12
/** Milliseconds of work after which others get their turn. */
const turnMs = 8

export const labelOf = (name: string): string => name.replace(/\s+/g, '_')

/** Everything that can be mentioned: of a large repository a million things, so one at a time. */
export function* mentionsIn(outline: readonly HeldFile[]): Iterable<Mention> {
  const folders = new Set<string>()
  for (const { file } of outline) {
    yield { kind: 'file', file, label: labelOf(file) }
    for (let slash = file.indexOf('/'); slash >= 0; slash = file.indexOf('/', slash + 1))
      folders.add(file.slice(0, slash + 1))
  }
  for (const file of folders) yield { kind: 'folder', file, label: labelOf(file) }
  for (const { file, units } of outline) {
    const seen = new Set<string>()
    for (const { symbol, kind, startLine, endLine } of units) {
      if (symbol === '' || kind === 'section' || kind === 'text' || seen.has(symbol)) continue
      seen.add(symbol)
      yield { kind: 'symbol', file, startLine, endLine, label: labelOf(symbol) }
    }
  }
}

/** The best fits for what was typed, best first, of whatever is added one by one. */
class Completion {
  private readonly best: { readonly mention: Mention; readonly score: number }[] = []
  private readonly wanted: string

  constructor(typed: string) {
    this.wanted = typed.toLowerCase()
  }

  add(mention: Mention): void {
    const { best } = this
    const score = fit(this.wanted, mention.label.toLowerCase())
    if (score === 0) return
    // Among equals, who came first stays first.
    const place = best.findIndex(
      (other) => other.score < score || (other.score === score && other.mention.label.length > mention.label.length),
    )
    if (place >= 0) best.splice(place, 0, { mention, score })
    else if (best.length < mostOffered) best.push({ mention, score })
    if (best.length > mostOffered) best.pop()
  }

  list(): Mention[] {
    return this.best.map(({ mention }) => mention)
  }
}

/** The same of a few at once. */
export function complete(typed: string, all: Iterable<Mention>): Mention[] {
  const completion = new Completion(typed)
  for (const mention of all) completion.add(mention)
  return completion.list()
}

/** The same of everything that is held: of a million things it lets others go on in between. */
export async function completeAll(
  typed: string,
  outline: readonly HeldFile[],
  signal: AbortSignal,
): Promise<Mention[]> {
  const completion = new Completion(typed)
  let worked = performance.now()
  for (const mention of mentionsIn(outline)) {
    completion.add(mention)
    if (performance.now() - worked < turnMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) throw cancelled()
    worked = performance.now()
  }
  return completion.list()
}

/** 0: the letters do not occur in this order. A name that starts with them fits best, then one that holds them. */
function fit(wanted: string, label: string): number {
  if (wanted === '') return 1
  let at = 0
  for (const letter of wanted) {
    at = label.indexOf(letter, at) + 1
    if (at === 0) return 0
  }
  const name = label.slice(label.replace(/\/$/, '').search(/[^/.]*(?:\.[^/.]*)?$/))
  if (label === wanted || name === wanted) return 6
  if (name.startsWith(wanted)) return 5
  if (label.startsWith(wanted)) return 4
  if (name.includes(wanted)) return 3
  return label.includes(wanted) ? 2 : 1
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
