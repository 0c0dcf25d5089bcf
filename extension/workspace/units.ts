/**
 * Cuts a file into units: functions, class heads and the statements between them, sections, cells or paragraphs. Each line is
 * in exactly one unit, units are sorted, and none holds part of a definition together with anything outside of it.
 */
import type { Unit } from '../protocol/types'
import { cutCode } from './code'
import { isGrammarLanguage, language } from './languages'
import { Lines } from './lines'
import { cutMarkdown } from './markdown'
import { cutNotebook } from './notebook'
import { cutText } from './paragraphs'
import { Grammars, type Parsed, type Warn } from './parser'
import { findReferences, noReferences, type References } from './references'

export { breadcrumb } from './breadcrumb'
export { language, type LanguageId } from './languages'
export type { ImportLine, NamedLine, References } from './references'

export interface UnitOptions {
  /** Hears when a file could not be parsed and is cut as text. */
  readonly warn?: Warn
  readonly grammars?: Grammars
}

const sharedGrammars = new Grammars()

/** The units of a file. None when it has no text; otherwise they cover every line, blank ones with the unit before. */
export async function cutUnits(file: string, text: string, options: UnitOptions = {}): Promise<Unit[]> {
  const lines = new Lines(text)
  if (lines.isEmpty) return []
  return (await parse(file, lines, options, (parsed) => cutCode(parsed, lines))) ?? cutPlain(file, lines)
}

/** What a file defines, imports and calls; nothing where its language has no grammar. */
export async function references(file: string, text: string, options: UnitOptions = {}): Promise<References> {
  const lines = new Lines(text)
  return (await parse(file, lines, options, (parsed) => findReferences(parsed, lines))) ?? noReferences
}

/** Both, and the file is parsed once. */
export async function unitsAndReferences(
  file: string,
  text: string,
  options: UnitOptions = {},
): Promise<{ units: Unit[]; references: References }> {
  const lines = new Lines(text)
  if (lines.isEmpty) return { units: [], references: noReferences }
  const both = await parse(file, lines, options, (parsed) => ({
    units: cutCode(parsed, lines),
    references: findReferences(parsed, lines),
  }))
  return both ?? { units: cutPlain(file, lines), references: noReferences }
}

async function parse<T>(
  file: string,
  lines: Lines,
  options: UnitOptions,
  use: (parsed: Parsed) => T,
): Promise<T | null> {
  const { warn = () => undefined, grammars = sharedGrammars } = options
  const id = language(file, lines.text)
  if (!isGrammarLanguage(id)) return null
  return grammars.withTree(id, lines.text, use, (message) => warn(`${file}: cut as text (${message})`))
}

function cutPlain(file: string, lines: Lines): Unit[] {
  const id = language(file, lines.text)
  if (id === 'markdown') return cutMarkdown(lines)
  return (id === 'notebook' ? cutNotebook(lines) : null) ?? cutText(lines)
}
