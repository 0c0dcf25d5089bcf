/**
 * Words of code and of questions: identifiers are split where people see a seam (camelCase, snake_case, digits), lowercased
 * and lightly stemmed, so that `parseHeaders` and "parsing a header" meet.
 */
import { stemmer } from 'stemmer'

/** English words that say nothing about code. */
const silent = new Set(
  (
    'a an and any are as at be been by can could did do does doing done for from had has have how i if in into is it its ' +
    'me my of on or our out shall should so some such than that the their them then there these they this those to up us ' +
    'was we were what when where which while who whom whose why will with would you your'
  ).split(' '),
)

const identifier = /[\p{L}_$][\p{L}\p{N}_$]*|\p{N}+/gu
const seam = /[\p{Lu}]+(?![\p{Ll}])|[\p{Lu}]?[\p{Ll}]+|[\p{L}]+|\p{N}+/gu

const stems = new Map<string, string>()
/**
 * For each stem the shortest word that it came from, of these the first by alphabet: stems themselves (`queri`) are no words that a model
 * knows. Whatever order files come in, the same.
 */
const forms = new Map<string, string>()
let formCount = 0

function stem(word: string): string {
  let known = stems.get(word)
  if (known === undefined) {
    // Short words and numbers are left alone: stemming merges too many of them.
    known = word.length > 3 && /^[a-z]+$/.test(word) ? stemmer(word) : word
    if (stems.size > 200_000) {
      stems.clear()
      forms.clear()
    }
    stems.set(word, known)
    const form = forms.get(known)
    if (form === undefined) formCount++
    if (form === undefined || word.length < form.length || (word.length === form.length && word < form))
      forms.set(known, word)
  }
  return known
}

/** A word that has this stem; nothing for what is no stem, such as a whole identifier. */
export const formOf = (stem: string): string | undefined => forms.get(stem)

/** Raised whenever a stem comes that had no word before. */
export const formsKnown = (): number => formCount

/** The terms of one identifier: its parts, stemmed, and itself whole where it has several. */
export function termsOf(word: string): string[] {
  const parts = word.match(seam) ?? []
  const terms = parts.map((part) => stem(part.toLowerCase()))
  if (parts.length > 1) terms.push(word.toLowerCase())
  return terms
}

/** Of what is ASCII alone the same, several times as quick. */
const plainIdentifier = /[A-Za-z_$][\w$]*|\d+/g
const beyondAscii = /[\u0080-\uffff]/

/** All identifiers and numbers of a text as they are written, in order, with repeats. */
export const identifiers = (text: string): readonly string[] =>
  text.match(beyondAscii.test(text) ? identifier : plainIdentifier) ?? []

/** Whether an identifier has at least so many characters; a number is none. */
export const isName = (word: string, least: number): boolean =>
  word.length >= least && !/^\p{N}/u.test(word) && (word.length >= 2 * least || Array.from(word).length >= least)

/** All terms of a text, in order, with repeats. */
export function terms(text: string): string[] {
  const all: string[] = []
  for (const word of identifiers(text)) all.push(...termsOf(word))
  return all
}

export interface QuestionWord {
  readonly word: string
  /** Where it stands in the question, in UTF-16 units. */
  readonly start: number
  readonly end: number
  /** Empty for words that say nothing. */
  readonly terms: readonly string[]
}

/** The words of a question with their places. */
export function questionWords(question: string): QuestionWord[] {
  return [...question.matchAll(identifier)].map((match) => {
    const word = match[0]
    return {
      word,
      start: match.index,
      end: match.index + word.length,
      terms: silent.has(word.toLowerCase()) ? [] : termsOf(word),
    }
  })
}
