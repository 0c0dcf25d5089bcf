/**
 * Names of definitions as people write them in questions: qualified with dots in every language, without type arguments,
 * `prototype`, `exports` or quotes.
 */
import type { GrammarLanguage } from './languages'

/** Longer names come from broken code, or from CSS selectors that list everything. */
const longestName = 80

/** How many symbols of merged definitions are listed; the rest is `…`. */
const listed = 4

/** `name` as it stands in the source, in the form that symbols are made of; empty when it names nothing of its own. */
export function cleanName(language: GrammarLanguage, name: string): string {
  let clean = name.replace(/\s+/g, ' ').trim()
  if (language === 'cpp') {
    clean = withoutTypeArguments(clean).replace(/\s*::\s*/g, '.')
    // An unknown macro before a name is parsed into it.
    if (!clean.includes('operator')) clean = clean.replace(/^.* /, '')
  } else if (language === 'rust') {
    // impl<'a> fmt::Display for &'a mut geometry::Point<f64>: the last segment of the type is what has the methods.
    clean = withoutTypeArguments(clean.replace(/^(?:&|'\w+ |mut |dyn )+/, '')).replace(/^.*::/, '')
  } else if (language === 'go') {
    clean = clean.replace(/^\*\s*/, '').replace(/\[.*$/, '')
  } else if (language === 'c-sharp') {
    clean = clean.replace(/^[^\w@]+$/, (operator) => `operator${operator}`)
  } else if (language === 'ruby') {
    clean = clean.replace(/::/g, '.')
  } else if (language === 'javascript' || language === 'typescript' || language === 'tsx') {
    clean = clean
      .replace(/^['"`](.*)['"`]$/, '$1')
      .replace(/\.prototype\b/g, '')
      .replace(/^(?:module\.)?exports(?:\.|$)/, '')
      .replace(/^this\./, '')
  }
  return shorten(clean)
}

/** What stands before the block of a CSS rule. */
export function prelude(text: string): string {
  const end = text.indexOf('{')
  return shorten(
    text
      .slice(0, end < 0 ? 200 : end)
      .replace(/\/\*.*?\*\//gs, '')
      .replace(/\s+/g, ' ')
      .trim(),
  )
}

/** CSS rules and headings hold dots and spaces themselves, so they are joined otherwise. */
export function qualify(outer: string, inner: string, separator: '.' | ' > '): string {
  return outer === '' || inner === '' ? outer + inner : outer + separator + inner
}

/** One symbol for a unit that merges several definitions. */
export function joinSymbols(symbols: readonly string[]): string {
  const distinct = [...new Set(symbols)].filter((symbol) => symbol !== '')
  const shown = distinct.slice(0, listed)
  return shown.join(', ') + (distinct.length > shown.length ? ', …' : '')
}

/** Characters, not code units: a symbol never ends in half an emoji. */
function shorten(name: string): string {
  const chars = Array.from(name.slice(0, 2 * longestName))
  return chars.length > longestName ? chars.slice(0, longestName - 1).join('') + '…' : name
}

/** `Stack<std::pair<K, V>>::push` to `Stack::push`; the angle brackets of `operator<` and `operator->` are its name. */
function withoutTypeArguments(name: string): string {
  const operator = name.search(/\boperator\b/)
  const qualified = operator < 0 ? name : name.slice(0, operator)
  let depth = 0
  let kept = ''
  for (const char of qualified) {
    if (char === '<') depth++
    else if (char === '>') depth = Math.max(0, depth - 1)
    else if (depth === 0) kept += char
  }
  return kept + (operator < 0 ? '' : name.slice(operator))
}
