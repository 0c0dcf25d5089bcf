/**
 * Ignore rules with git's meaning: parsing of ignore files (dir.c) and the decision for one path. A folder's rules are a
 * chain of lists; nearer lists come before farther ones, and in a list the last rule that matches decides. Three kinds
 * of rules are asked one after the other: `.longreadignore` has the last word, then what Longread never finds worth
 * reading (exclusions.ts), then git's own.
 *
 * A folder that is ignored is not entered, so nothing inside it can be re-included, as in git.
 */
import { literalLength, wildmatch } from './wildmatch'

export interface Rule {
  /** As written, for people. */
  readonly text: string
  /** Bytes of the glob, without `!` and the trailing slash. */
  readonly pattern: string
  /** What the pattern begins with that stands for itself. */
  readonly literal: string
  /** What a path must end with to match: the pattern after its last wildcard, and after the slash of a `**` that stands for nothing. */
  readonly tail: string
  readonly negative: boolean
  readonly foldersOnly: boolean
  /** The pattern holds no slash and is compared with the last part of a path alone. */
  readonly nameOnly: boolean
  /** Of a pattern `*literal`: what the name must end with. */
  readonly ending?: string
}

export interface RuleList {
  /** Why these rules leave something out, as it is told to people: `ignored by src/.gitignore`. */
  readonly reason: string
  /** Bytes of the folder that the rules are about, with a trailing slash, or empty for the top. */
  readonly base: string
  readonly rules: readonly Rule[]
  /** Where to look first: names of rules that are plain names, endings of rules `*.ending`; the other rules one by one. */
  readonly index: {
    readonly names: ReadonlyMap<string, readonly number[]>
    readonly endings: ReadonlyMap<string, readonly number[]>
    readonly others: readonly number[]
  }
}

export interface Decision {
  readonly ignored: boolean
  readonly rule: Rule
  readonly list: RuleList
}

/** One character for each byte, which is how git compares names. */
export const bytesOf = (text: string) =>
  /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

/** Reads an ignore file. Lines that are empty or comments hold no rule. */
export function parseRules(content: Buffer, reason: string, base: string): RuleList {
  const bytes = content.toString('latin1').replace(/^\xef\xbb\xbf/, '')
  const rules: Rule[] = []
  for (const raw of bytes.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    if (line === '' || line.startsWith('#')) continue
    const rule = parseRule(line)
    if (rule !== undefined) rules.push(rule)
  }
  return { reason, base: bytesOf(base), rules, index: indexOf(rules) }
}

export const noRules: RuleList = parseRules(Buffer.alloc(0), '', '')

function indexOf(rules: readonly Rule[]): RuleList['index'] {
  const names = new Map<string, number[]>()
  const endings = new Map<string, number[]>()
  const others: number[] = []
  rules.forEach((rule, i) => {
    const [map, key] =
      rule.nameOnly && rule.literal === rule.pattern
        ? [names, rule.pattern]
        : rule.ending?.startsWith('.') === true
          ? [endings, rule.ending]
          : []
    if (map === undefined || key === undefined) {
      others.push(i)
      return
    }
    const held = map.get(key)
    if (held === undefined) map.set(key, [i])
    else held.push(i)
  })
  return { names, endings, others }
}

function parseRule(line: string): Rule | undefined {
  const text = withoutTrailingSpaces(line)
  const negative = text.startsWith('!')
  let pattern = negative ? text.slice(1) : text
  const foldersOnly = pattern.endsWith('/')
  if (foldersOnly) pattern = pattern.slice(0, -1)
  if (pattern === '') return undefined
  const nameOnly = !pattern.includes('/')
  // A leading slash only ties the pattern to its folder.
  if (pattern.startsWith('/')) pattern = pattern.slice(1)
  const ending = nameOnly && pattern.startsWith('*') ? pattern.slice(1) : undefined
  return {
    text: Buffer.from(text, 'latin1').toString('utf8'),
    pattern,
    literal: pattern.slice(0, literalLength(pattern)),
    tail: (/[^*?[\]\\]*$/.exec(pattern)?.[0] ?? '').replace(/^\//, ''),
    negative,
    foldersOnly,
    nameOnly,
    ...(ending !== undefined && literalLength(ending) === ending.length ? { ending } : {}),
  }
}

/** Spaces (not tabs) at the end do not count unless escaped. */
function withoutTrailingSpaces(line: string): string {
  let end = line.length
  while (end > 0 && line[end - 1] === ' ') end--
  if (end === line.length) return line
  let backslashes = 0
  while (end - backslashes > 0 && line[end - backslashes - 1] === '\\') backslashes++
  return line.slice(0, backslashes % 2 === 1 ? end + 1 : end)
}

function matches(rule: Rule, base: string, path: string, name: string, isFolder: boolean): boolean {
  if ((rule.foldersOnly && !isFolder) || !path.endsWith(rule.tail)) return false
  const { pattern, literal } = rule
  if (rule.nameOnly) {
    if (literal === pattern) return name === pattern
    if (rule.ending !== undefined) return name.endsWith(rule.ending)
    return name.startsWith(literal) && wildmatch(pattern, name, false)
  }
  const start = base.length
  if (literal === pattern) return path.length === start + pattern.length && path.endsWith(pattern)
  if (!path.startsWith(literal, start)) return false
  // Git cuts the literal beginning off before it matches, which lets `a**/b` match `a/x/y/b`. So do we.
  return wildmatch(pattern.slice(literal.length), path.slice(start + literal.length), true)
}

/** What a list says of a path (in bytes) in its folder: its last rule that matches, if any. */
export function decideBy(list: RuleList, path: string, isFolder: boolean): Decision | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const { names, endings, others } = list.index
  let last = -1
  const consider = (candidates: readonly number[] | undefined) => {
    for (const i of candidates ?? []) {
      if (i > last && !(list.rules[i]?.foldersOnly === true && !isFolder)) last = i
    }
  }
  consider(names.get(name))
  if (endings.size > 0) {
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) consider(endings.get(name.slice(dot)))
  }
  for (let i = others.length - 1; i >= 0; i--) {
    const index = others[i] ?? -1
    if (index < last) break
    const rule = list.rules[index]
    if (rule !== undefined && matches(rule, list.base, path, name, isFolder)) last = index
  }
  const rule = list.rules[last]
  return rule === undefined ? undefined : { ignored: !rule.negative, rule, list }
}

/** The rules that hold in one folder. Paths given to it are relative to the top of the repository, in bytes. */
export class FolderRules {
  private constructor(
    private readonly own: readonly RuleList[],
    private readonly builtIn: readonly RuleList[],
    private readonly git: readonly RuleList[],
  ) {}

  /** `git` from the farthest (global excludes) to the nearest. */
  static of(builtIn: readonly RuleList[], git: readonly RuleList[]): FolderRules {
    return new FolderRules([], builtIn, git.filter((list) => list.rules.length > 0).reverse())
  }

  /** The rules of a folder inside, given the ignore files it holds. */
  inside(git: readonly RuleList[], own: RuleList | undefined): FolderRules {
    if (git.length === 0 && own === undefined) return this
    return new FolderRules(
      own === undefined ? this.own : [own, ...this.own],
      this.builtIn,
      [...git].reverse().concat(this.git),
    )
  }

  /** The rule that decides about a path, negative rules included; undefined where none matches. */
  decide(path: string, isFolder: boolean): Decision | undefined {
    return first(this.own, path, isFolder) ?? first(this.builtIn, path, isFolder) ?? first(this.git, path, isFolder)
  }

  /** Whether a `!` rule of a `.longreadignore` asks for this path by name. */
  wants(path: string, isFolder: boolean): boolean {
    return first(this.own, path, isFolder)?.ignored === false
  }
}

function first(lists: readonly RuleList[], path: string, isFolder: boolean): Decision | undefined {
  for (const list of lists) {
    const decision = decideBy(list, path, isFolder)
    if (decision !== undefined) return decision
  }
  return undefined
}
