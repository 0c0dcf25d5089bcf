/**
 * Turns a function's documentation into the question it answers: its first sentences in plain words, without comment
 * signs, markup or the function's own name in front. Documentation that says too little, or too much, gives none.
 */
import type { DocumentationForm, LanguageName } from './languages'

const minimumWords = 4
const maximumWords = 40

/** Openings that ask for nothing in particular. */
const boilerplate =
  /^(deprecated|see\b|see also|alias (of|for|to)\b|same as|like\b|todo|fixme|note:|copyright|generated|inherit|overrid|refer to|test\b|internal\b|private\b|not implemented|unused)/i

/** Where prose ends: tags, field lists, examples, section titles and underlines. */
const endOfProse =
  /^\s*(@|:\w[\w .*]*:(?!`)|>>>|```|~~~|\.\. |#|={3,}|-{3,}|\*\*\*|(Args|Arguments|Parameters|Params|Returns?|Raises|Yields|Examples?|Usage|Notes?|Panics|Errors|Safety)\s*:?\s*$)/

/** In Go and Rust comments a line set in is code, which ends the prose as an empty line does. */
const setIn = /^\s*\/\/\/?(\t|\s{3,})\S/

function withoutSigns(raw: string, form: DocumentationForm): string[] {
  let lines = raw.replace(/\r/g, '').split('\n')
  const code = form === 'lines' ? lines.findIndex((line, at) => at > 0 && setIn.test(line)) : -1
  if (code > 0) lines = lines.slice(0, code)
  if (form === 'inside') return lines.map((line) => line.trim())
  return lines.map((line) =>
    line
      .trim()
      .replace(/\*+\/$/, '')
      .replace(/^(\/\*\*?!?|\*|\/\/\/|\/\/!?)/, '')
      .trim(),
  )
}

function summaryElement(lines: readonly string[]): string[] {
  const text = lines.join('\n')
  const summary = /<summary>([\s\S]*?)<\/summary>/.exec(text)?.[1]
  return summary === undefined ? (text.includes('<') ? [] : [...lines]) : summary.split('\n')
}

function firstParagraph(lines: readonly string[]): string {
  const prose: string[] = []
  for (const [at, line] of lines.entries()) {
    const described = /^\s*@(description|desc|summary|brief|classdesc)\s+(?=\S)/i.exec(line)
    const text = described === null ? line : line.slice(described[0].length)
    if (text.trim() === '') {
      if (prose.length > 0) break
      continue
    }
    if (described === null && endOfProse.test(text)) break
    // A line above an underline is a title.
    if (/^\s*([=\-~^"])\1{2,}\s*$/.test(lines[at + 1] ?? '')) break
    const end = /<\/?p>|<(pre|ul|ol|table|dl|example|code)>?\s*$|<br\s*\/?>/i.exec(text)
    if (end !== null && (prose.length > 0 || end.index > 0)) {
      prose.push(text.slice(0, end.index))
      break
    }
    prose.push(text)
  }
  return prose.join(' ')
}

function withoutMarkup(text: string, form: DocumentationForm): string {
  return text
    .replace(
      /\{@(?:link|linkplain|code|literal|linkcode|value)\s+([^}|]*?)(?:\s*\|\s*([^}]*))?\}/g,
      (_, target: string, label?: string) => label ?? target.replace(/^#/, '').replace(/\([^)]*\)/g, ''),
    )
    .replace(/\{@\w+[^}]*\}/g, ' ')
    .replace(/<(?:see|seealso|paramref|typeparamref)\s+(?:cref|langword|name|href)="(?:[A-Z]:)?([^"]*)"\s*\/?>/g, '$1')
    .replace(/:[\w+-]+(?::[\w+-]+)?:`~?([^`<]*?)(?:\s*<[^`>]*>)?`/g, '$1')
    .replace(/!?\[([^\]]*)\](?:\((?:[^()]|\([^)]*\))*\)|\[[^\]]*\])/g, '$1')
    .replace(form === 'lines' ? /\[(`?[\w:.#<>()]+`?)\]/g : /\[(`[\w:.#<>()]+`)\]/g, '$1')
    .replace(/<\/?[a-zA-Z][^<>]*>/g, ' ')
    .replace(/``?([^`]*)``?_{0,2}/g, '$1')
    .replace(/\*\*?([^*\s][^*]*)\*\*?/g, '$1')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .replace(/\s+([,.;:!?])(?=\s|$)/g, '$1')
    .replace(/\s+/g, ' ')
    .replace(/^\s*\[\w+\] /, '')
    .trim()
}

const countWords = (text: string): number => text.split(' ').filter((word) => /\p{L}/u.test(word)).length

/** As many whole sentences from the start as the limit allows. */
function leadingSentences(text: string): string {
  const sentences = text.split(/(?<=[^.][.!?])(?<!\b(?:e\.g|i\.e|etc|vs|cf)\.)\s+(?=[\p{Lu}"'(])/u)
  let kept = ''
  for (const sentence of sentences) {
    const longer = kept === '' ? sentence : `${kept} ${sentence}`
    if (countWords(longer) > maximumWords) break
    // A later sentence that only leads over to an example, a list or another function asks nothing.
    if (kept !== '' && (boilerplate.test(sentence) || /[:,]$|^(For example|Equivalent to)\b/.test(sentence))) break
    kept = longer
  }
  return kept
}

/** Go's convention, and others' habit, of opening with the name would hand the answer over. */
function withoutOwnName(text: string, name: string): string {
  if (name === '') return text
  const first =
    /^(?:func\s+|the\s+)?([\w.$:#*]+)(?:\s*\([^)]*\))?(?:\s*(?:->|[:–—-]))?\s+(?:(?:function|method)\s+)?/iu.exec(text)
  const own = first?.[1]?.split(/[.:#*]/).at(-1)
  if (first === null || own?.toLowerCase() !== name.toLowerCase()) return text
  const rest = text.slice(first[0].length)
  // `Add adds …` loses its subject, but a sentence in the imperative (`Close the file`) loses nothing it can spare.
  return /^[a-z]+s\b|^return\b/.test(rest) || (own === name && /[a-z][A-Z]|_/.test(name))
    ? rest.charAt(0).toUpperCase() + rest.slice(1)
    : text
}

/** The question that this documentation asks, or undefined where it asks none. */
export function questionOf(
  raw: string,
  language: LanguageName,
  form: DocumentationForm,
  name: string,
): string | undefined {
  const lines = withoutSigns(raw, form)
  const paragraph = firstParagraph(language === 'c-sharp' ? summaryElement(lines) : lines)
  const question = withoutOwnName(leadingSentences(withoutMarkup(paragraph, form)), name).replace(/[\s:;,–-]+$/, '')
  const words = countWords(question)
  if (words < minimumWords || words > maximumWords || boilerplate.test(question)) return undefined
  return question
}
