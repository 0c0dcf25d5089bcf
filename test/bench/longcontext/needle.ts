/** A constant in the code of real repositories, at a depth: where it can stand, how a language writes it, and what asks for it. */
import type { NativeModel } from '../../../extension/engine/addon'
import { random } from '../../support/random'
import { chooseNames } from '../facts/plant'
import { cutFile, type Haystack, type HaystackFile, type Part } from './haystack'
import type { CaseOptions } from './tasks'

/** What a task in code asks for, and the text that holds it. */
export interface Found {
  readonly parts: readonly Part[]
  /** The unit, or units, of one part that hold what is asked for. */
  readonly at: {
    readonly part: number
    readonly from: number
    readonly to: number
    /** Where it is not all of the unit: its lines, the first and the last. */
    readonly lines?: readonly [number, number]
  }
  readonly asks: string
  readonly after: string
  readonly opening: string
  readonly answer: string
  readonly maxTokens: number
  readonly others?: readonly string[]
}

/** How a constant is written, by the end of a file's name. */
const constants: Readonly<Record<string, (name: string, value: string) => string>> = {
  py: (name, value) => `${name} = ${value}`,
  js: (name, value) => `const ${name} = ${value};`,
  ts: (name, value) => `export const ${name} = ${value};`,
  go: (name, value) => `const ${name} = ${value}`,
  rs: (name, value) => `const ${name}: u32 = ${value};`,
  java: (name, value) => `static final int ${name} = ${value};`,
  cs: (name, value) => `const int ${name} = ${value};`,
}

const endingOf = (name: string): string => /\.(\w+)$/.exec(name)?.[1] ?? ''

/** Of the files whose constants stand in classes, and of Python, also between what is indented. */
const begins: Readonly<Record<string, RegExp>> = {
  py: /^\s*(def|class|async def|@\w|[A-Za-z_]\w* =)/,
  java: /^ {4}[@\w]/,
  cs: /^ {4}[[\w]/,
}

/** Units of a file before which a constant can stand, `to` included. */
function places({ name, pieces, lines }: HaystackFile, from: number, to: number): number[] {
  if (constants[endingOf(name)] === undefined) return []
  const fits = begins[endingOf(name)] ?? /^[@\w]/
  return Array.from({ length: to - from }, (_, i) => from + i + 1).filter((i) => {
    const piece = pieces[i]
    return piece ? fits.test(lines[piece.startLine - 1] ?? '') : endingOf(name) === 'py'
  })
}

interface Spot {
  readonly parts: readonly Part[]
  /** Before which unit of which part, and after how many tokens. */
  readonly part: number
  readonly piece: number
  readonly tokens: number
  /** From where it was wanted, as a share of the text. */
  readonly off: number
}

/** The spot of these parts that is nearest to the depth. */
function spotIn(parts: readonly Part[], depth: number): Spot | undefined {
  const spots: Omit<Spot, 'off' | 'parts'>[] = []
  let tokens = 0
  parts.forEach(({ file, from, to }, part) => {
    const good = new Set(places(file, from, to))
    tokens += file.header.length
    for (let piece = from; piece <= to; piece++) {
      if (good.has(piece)) spots.push({ part, piece, tokens })
      if (piece < to) tokens += file.pieces[piece]!.tokens.length
    }
  })
  const [best] = spots
    .map((spot) => ({ ...spot, parts, off: Math.abs(spot.tokens / tokens - depth) }))
    .sort((a, b) => a.off - b.off)
  return best
}

/** A spot further from its depth than this is taken only where other files to begin with have none that is nearer. */
const offEnough = 0.1
const beginnings = 20

/** Beginning with a file that the seed gives, or one of those that follow. */
async function chooseSpot(haystack: Haystack, first: number, room: number, depth: number): Promise<Spot> {
  let best: Spot | undefined
  for (let k = 0; k < haystack.size && (k < beginnings || !best); k++) {
    const at = (first + k) % haystack.size
    const file = await haystack.at(at)
    if (file.pieces.length === 0) continue
    const parts = await haystack.around(at, { from: 0, to: 0 }, 0, room - file.header.length)
    const spot = spotIn(parts.filter(({ from, to }) => to > from), depth) // prettier-ignore
    if (spot && (!best || spot.off < best.off)) best = spot
    if (best && best.off <= offEnough) return best
  }
  if (!best) throw new Error('There is no place for a constant in the code; name other repositories.')
  return best
}

export async function plantNeedle(
  model: NativeModel,
  haystack: Haystack,
  room: number,
  { depth, seed }: CaseOptions,
): Promise<Found> {
  const below = random(seed)
  const [named] = chooseNames(1, seed)
  const { words } = named!
  const name = words.join('_').toUpperCase()
  const lines = (ending: string, value: string, indent: string) =>
    ['', `${ending === 'py' ? '#' : '//'} The ${words.join(' ')}.`, constants[ending]!(name, value), ''].map((line) => (line === '' ? line : indent + line)) // prettier-ignore
  const most = model.tokenize(lines('java', named!.value, '    ').join('\n'), false).length + 8
  const spot = await chooseSpot(haystack, below(haystack.size), room - most, depth)
  const { parts } = spot
  const { file: host, from, to } = parts[spot.part]!
  const first = host.pieces[from]!.startLine - 1
  const line = host.pieces[spot.piece - 1]!.endLine
  const indent = spot.piece < host.pieces.length ? /^\s*/.exec(host.lines[line]!)![0] : ''
  const text = parts.map(({ file, from, to }) => file.lines.slice(file.pieces[from]!.startLine - 1, file.pieces[to - 1]!.endLine).join('\n')).join('\n') // prettier-ignore
  let { value } = named!
  while (text.includes(value)) value = String(10_000 + below(90_000))
  const put = lines(endingOf(host.name), value, indent)
  const whole = [...host.lines.slice(first, line), ...put, ...host.lines.slice(line, host.pieces[to - 1]!.endLine)]
  const planted = await cutFile(model, host.name, whole.join('\n'))
  const at = line - first + 3
  const holds = planted.pieces.findIndex(({ startLine, endLine }) => startLine <= at && at <= endLine)
  return {
    parts: parts.with(spot.part, { file: planted, from: 0, to: planted.pieces.length }),
    at: { part: spot.part, from: holds, to: holds + 1, lines: [at - 1, at] },
    asks: `What is the ${words.join(' ')}?`,
    after: '\n',
    opening: `The ${words.join(' ')} is ${name} =`,
    answer: value,
    maxTokens: 8,
  }
}
