/**
 * Git's glob matching, as wildmatch.c has it: `*`, `?`, `**`, bracket expressions with ranges, negation and POSIX classes,
 * and escapes. Pattern and text are strings of bytes (one character for each byte of UTF-8), because git compares bytes:
 * `?` does not match `é` there.
 *
 * The npm package `ignore` was tried first: of sixty patterns it decided twenty unlike git, among them `[!a]`,
 * `[[:alpha:]]` and `\*`, and its regular expressions backtrack without bound on hostile patterns.
 */

const enum Match {
  yes,
  no,
  /** The text ended before the pattern: no `*` further left can help. */
  abort,
  /** A `*` met a slash: only a `**` further left can help. */
  abortToStarStar,
}

const slash = 0x2f
const star = 0x2a
const backslash = 0x5c
const bracket = 0x5b
const closing = 0x5d
const question = 0x3f

const isAlpha = (c: number) => (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
const isDigit = (c: number) => c >= 48 && c <= 57
const isGraph = (c: number) => c > 32 && c < 127

/** POSIX classes over bytes, in the C locale. */
const classes: Readonly<Record<string, (c: number) => boolean>> = {
  alnum: (c) => isAlpha(c) || isDigit(c),
  alpha: isAlpha,
  blank: (c) => c === 32 || c === 9,
  cntrl: (c) => c < 32 || c === 127,
  digit: isDigit,
  graph: isGraph,
  lower: (c) => c >= 97 && c <= 122,
  print: (c) => c >= 32 && c < 127,
  punct: (c) => isGraph(c) && !isAlpha(c) && !isDigit(c),
  space: (c) => c === 32 || (c >= 9 && c <= 13),
  upper: (c) => c >= 65 && c <= 90,
  xdigit: (c) => isDigit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102),
}

/** How many characters a pattern begins with that stand only for themselves. */
export function literalLength(pattern: string): number {
  const special = /[*?[\\]/.exec(pattern)
  return special === null ? pattern.length : special.index
}

/**
 * Whether the whole text matches the pattern. With `pathname`, a slash is matched only by a slash or by `**` between
 * slashes; without it, `*` matches anything.
 */
export function wildmatch(pattern: string, text: string, pathname: boolean): boolean {
  return match(pattern, 0, text, 0, pathname) === Match.yes
}

/** The character code at an index, or 0 past the end, as C strings end (a file's name never holds a zero byte). */
const at = (text: string, index: number) => (index < text.length ? text.charCodeAt(index) : 0)

function match(pattern: string, p: number, text: string, t: number, pathname: boolean): Match {
  const start = p
  for (; p < pattern.length; p++, t++) {
    let expected = at(pattern, p)
    const found = at(text, t)
    if (t >= text.length && expected !== star) return Match.abort
    switch (expected) {
      case question:
        if (pathname && found === slash) return Match.no
        continue
      case bracket: {
        const end = matchBracket(pattern, p, found)
        if (end === undefined) return Match.abort
        if (!end.matched || (pathname && found === slash)) return Match.no
        p = end.index
        continue
      }
      case star: {
        let crossSlash = !pathname
        let next = p + 1
        if (at(pattern, next) === star) {
          while (at(pattern, next) === star) next++
          const opens = p === start || at(pattern, p - 1) === slash
          const after = at(pattern, next)
          const closes =
            next >= pattern.length || after === slash || (after === backslash && at(pattern, next + 1) === slash)
          if (pathname && opens && closes) {
            // `**/` may also stand for nothing.
            if (after === slash) {
              const rest = match(pattern, next + 1, text, t, pathname)
              // Git goes on after an abort, at exponential cost; less text cannot do better.
              if (rest === Match.yes || rest === Match.abort) return rest
            }
            crossSlash = true
          }
        }
        if (next >= pattern.length) return !crossSlash && text.includes('/', t) ? Match.abortToStarStar : Match.yes
        if (!crossSlash && at(pattern, next) === slash) {
          const end = text.indexOf('/', t)
          if (end < 0) return Match.abort
          t = end
          p = next
          continue
        }
        return matchAfterStar(pattern, next, text, t, pathname, crossSlash)
      }
      case backslash:
        expected = at(pattern, ++p)
        if (found !== expected) return Match.no
        continue
      default:
        if (found !== expected) return Match.no
    }
  }
  return t < text.length ? Match.no : Match.yes
}

/** Tries what follows a `*` at every place the star can reach. */
function matchAfterStar(
  pattern: string,
  p: number,
  text: string,
  t: number,
  pathname: boolean,
  crossSlash: boolean,
): Match {
  const first = at(pattern, p)
  const literal = first !== star && first !== question && first !== bracket && first !== backslash
  for (; t < text.length; t++) {
    if (literal) {
      // What lies before the next such character belongs to the star.
      while (t < text.length && at(text, t) !== first && (crossSlash || at(text, t) !== slash)) t++
      if (at(text, t) !== first) return crossSlash ? Match.abort : Match.abortToStarStar
    }
    const rest = match(pattern, p, text, t, pathname)
    if (rest !== Match.no) {
      if (!crossSlash || rest !== Match.abortToStarStar) return rest
    } else if (!crossSlash && at(text, t) === slash) return Match.abortToStarStar
  }
  return Match.abort
}

/** One character against a bracket expression; `index` is that of its `]`. Undefined where it never closes. */
function matchBracket(pattern: string, p: number, found: number): { matched: boolean; index: number } | undefined {
  let index = p + 1
  const negated = at(pattern, index) === 0x21 || at(pattern, index) === 0x5e
  if (negated) index++
  let matched = false
  /** The character before a `-`, 0 where a range cannot begin. */
  let previous = 0
  let first = true
  for (; first || at(pattern, index) !== closing; index++) {
    first = false
    if (index >= pattern.length) return undefined
    let current = at(pattern, index)
    if (current === backslash) {
      current = at(pattern, ++index)
      if (index >= pattern.length) return undefined
      matched ||= found === current
    } else if (current === 0x2d && previous !== 0 && index + 1 < pattern.length && at(pattern, index + 1) !== closing) {
      let last = at(pattern, ++index)
      if (last === backslash) {
        last = at(pattern, ++index)
        if (index >= pattern.length) return undefined
      }
      matched ||= found >= previous && found <= last
      current = 0
    } else if (current === bracket && at(pattern, index + 1) === 0x3a) {
      const end = pattern.indexOf(']', index + 2)
      if (end < 0) return undefined
      if (end > index + 2 && at(pattern, end - 1) === 0x3a) {
        const inClass = classes[pattern.slice(index + 2, end - 1)]
        if (inClass === undefined) return undefined
        matched ||= inClass(found)
        index = end
        current = 0
      } else matched ||= found === bracket
    } else matched ||= found === current
    previous = current
  }
  return { matched: matched !== negated, index }
}
