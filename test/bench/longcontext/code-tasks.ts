/**
 * What is found in the code of real repositories. `needle`: a constant that was put in at a depth, `INVOICE_RETRY_LIMIT = 48213`, is asked
 * for its value. `name` and `function`: a function is asked for by what its documentation said, which is not in the text, after
 * RepoQA (arXiv 2406.06025): what it is called, or all of it. `body`: the same with the line that it begins with, so that a small
 * model, too, goes on with the function it has found.
 */
import type { NativeModel } from '../../../extension/engine/addon'
import { shuffled } from '../../../extension/recall/calibration/questions'
import { random } from '../../support/random'
import { chooseNames } from '../facts/plant'
import { cutFile, layOutParts, type Haystack, type HaystackFile, type Part } from './haystack'
import type { Case, CaseOptions } from './tasks'

export const codeTaskNames = ['needle', 'name', 'function', 'body'] as const
export type CodeTaskName = (typeof codeTaskNames)[number]
export const isCodeTask = (name: string): name is CodeTaskName => codeTaskNames.some((one) => one === name)

/** Whether its files are read without their documentation. */
export const isStripped = (name: CodeTaskName): boolean => name !== 'needle'

const before = 'This is the code of a repository.\n\n'

/** Tokens of a function that is asked for. */
const [shortest, longest] = [24, 160]
const longestQuestion = 96
/** Lines of its body, with the one that closes it. */
const fewestLines = 3
/** Names that a choice is made from. */
const choices = 10

interface Found {
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

async function plantNeedle(
  model: NativeModel,
  haystack: Haystack,
  room: number,
  { depth, seed }: CaseOptions,
): Promise<Found> {
  const below = random(seed)
  let start = below(haystack.size)
  while ((await haystack.at(start)).pieces.length === 0) start = (start + 1) % haystack.size
  const file = await haystack.at(start)
  const [named] = chooseNames(1, seed)
  const { words } = named!
  const name = words.join('_').toUpperCase()
  const lines = (ending: string, value: string, indent: string) =>
    ['', `${ending === 'py' ? '#' : '//'} The ${words.join(' ')}.`, constants[ending]!(name, value), ''].map((line) => (line === '' ? line : indent + line)) // prettier-ignore
  const most = model.tokenize(lines('java', named!.value, '    ').join('\n'), false).length + 8
  const parts = await haystack.around(start, { from: 0, to: 0 }, 0, room - most - file.header.length)
  const usable = parts.filter(({ from, to }) => to > from)
  // Where it may stand, and after how many tokens.
  const where: { part: number; piece: number; tokens: number }[] = []
  let tokens = 0
  usable.forEach(({ file, from, to }, part) => {
    const good = new Set(places(file, from, to))
    tokens += file.header.length
    for (let piece = from; piece <= to; piece++) {
      if (good.has(piece)) where.push({ part, piece, tokens })
      if (piece < to) tokens += file.pieces[piece]!.tokens.length
    }
  })
  const wanted = depth * tokens
  const [best] = where.toSorted((a, b) => Math.abs(a.tokens - wanted) - Math.abs(b.tokens - wanted))
  if (!best) throw new Error('There is no place for a constant in the code; name other repositories.')
  const { file: host, from, to } = usable[best.part]!
  const first = host.pieces[from]!.startLine - 1
  const line = host.pieces[best.piece - 1]!.endLine
  const indent = best.piece < host.pieces.length ? /^\s*/.exec(host.lines[line]!)![0] : ''
  const text = usable.map(({ file, from, to }) => file.lines.slice(file.pieces[from]!.startLine - 1, file.pieces[to - 1]!.endLine).join('\n')).join('\n') // prettier-ignore
  let { value } = named!
  while (text.includes(value)) value = String(10_000 + below(90_000))
  const put = lines(endingOf(host.name), value, indent)
  const whole = [...host.lines.slice(first, line), ...put, ...host.lines.slice(line, host.pieces[to - 1]!.endLine)]
  const planted = await cutFile(model, host.name, whole.join('\n'))
  const at = line - first + 3
  const holds = planted.pieces.findIndex(({ startLine, endLine }) => startLine <= at && at <= endLine)
  return {
    parts: usable.with(best.part, { file: planted, from: 0, to: planted.pieces.length }),
    at: { part: best.part, from: holds, to: holds + 1, lines: [at - 1, at] },
    asks: `What is the ${words.join(' ')}?`,
    after: '\n',
    opening: `The ${words.join(' ')} is ${name} =`,
    answer: value,
    maxTokens: 8,
  }
}

/** A function whose documentation is nobody else's, with what it said. */
async function chooseFunction(haystack: Haystack, model: NativeModel, seed: number) {
  const { questions } = haystack
  const nameOf = (symbol: string) => symbol.split('.').at(-1) ?? symbol
  const named = new Map<string, number>()
  for (const { symbol } of questions) named.set(nameOf(symbol), (named.get(nameOf(symbol)) ?? 0) + 1)
  for (const index of shuffled([...questions.keys()], seed)) {
    const { question, file: name, symbol, startLine, endLine } = questions[index]!
    // A name that many functions have names none.
    if (/^(__\w+__|constructor|new)$/.test(nameOf(symbol)) || named.get(nameOf(symbol)) !== 1) continue
    const at = haystack.indexOf(name)
    const file = await haystack.at(at)
    const holding = [...file.pieces.keys()].filter((i) => file.pieces[i]!.startLine <= endLine && file.pieces[i]!.endLine >= startLine) // prettier-ignore
    const text = file.lines.slice(startLine - 1, endLine).join('\n')
    const tokens = model.tokenize(text, false).length
    if (
      headAndBody(text)[1].split('\n').length < fewestLines ||
      holding.length === 0 ||
      tokens < shortest ||
      tokens > longest
    )
      continue
    return {
      question,
      at,
      text,
      tokens,
      name: nameOf(symbol),
      from: holding[0]!,
      to: holding.at(-1)! + 1,
    }
  }
  throw new Error('No function of these repositories is documented and of a fitting length.')
}

async function askFunction(
  model: NativeModel,
  haystack: Haystack,
  whole: number,
  options: CaseOptions,
): Promise<Found> {
  const { task, depth, seed } = options
  const chosen = await chooseFunction(haystack, model, seed)
  const { question, at, text, from, to } = chosen
  const file = await haystack.at(at)
  // The answer has to have room, too, where the model has no more than the length.
  const room = whole - chosen.tokens - longestQuestion - file.header.length
  const own = file.pieces.slice(from, to).reduce((sum, { tokens }) => sum + tokens.length, file.header.length)
  const front = Math.floor((room - own) * depth)
  const parts = await haystack.around(at, { from, to }, front, room - own - front)
  const part = parts.findIndex(({ file: { name } }) => name === file.name)
  const functions = await haystack.functionsIn(parts)
  const base = { parts, at: { part, from, to }, asks: `Which function does this: ${question}`, after: '\n' }
  if (task === 'name') {
    const names = [...new Set(functions.map(({ name }) => name))].filter((name) => name !== chosen.name)
    const others = shuffled(names, seed).slice(0, choices - 1)
    return { ...base, opening: 'It is the function `', answer: chosen.name, maxTokens: 24, others }
  }
  const [head, body] = task === 'body' ? headAndBody(text) : ['', text]
  const others = functions
    .filter((one) => one.text !== text)
    .map((one) => (task === 'body' ? headAndBody(one.text)[1] : one.text))
    .filter((other) => other.trim() !== '' && other !== body)
  return { ...base, opening: `The function:\n${head}`, answer: body, maxTokens: chosen.tokens + 16, others }
}

/** The lines that a function begins with, up to where its body opens, and what follows. */
function headAndBody(text: string): [string, string] {
  const lines = text.split('\n')
  const head =
    Math.max(
      0,
      lines.findIndex((line) => /[{:]\s*$/.test(line)),
    ) + 1
  return [lines.slice(0, head).map((line) => `${line}\n`).join(''), lines.slice(head).join('\n')] // prettier-ignore
}

/** The same case for the same seed and the same repositories. Throws where they are too small. */
export async function makeCodeCase(model: NativeModel, haystack: Haystack, options: CaseOptions): Promise<Case> {
  const { task, length } = options
  const { beginToken } = model.info()
  const head = [...(beginToken >= 0 ? [beginToken] : []), ...model.tokenize(before, false)]
  const spare = 96
  const find = task === 'needle' ? plantNeedle : askFunction
  const found = await find(model, haystack, length - head.length - spare, options)
  const { tokens, lengths, files } = layOutParts(found.parts, head.length)
  const tail = model.tokenize(found.after, false)
  const stream = Int32Array.from([...head, ...tokens, ...tail])
  const question = model.tokenize(`Question: ${found.asks}\nAnswer: ${found.opening}`, false)
  const { part, from, to, lines } = found.at
  const { spans, text } = files[part]!
  const first = found.parts[part]!.from
  const place = { from: spans[from - first]!.from, to: spans[to - 1 - first]!.to }
  if (lines) {
    const upTo = (line: number) => model.tokenize(text.split('\n').slice(spans[from - first]!.startLine - 1, line).join('\n') + '\n', false).length // prettier-ignore
    place.to = Math.min(place.to, place.from + upTo(lines[1]))
    if (lines[0] > spans[from - first]!.startLine) place.from += upTo(lines[0] - 1)
  }
  const { asks, answer, maxTokens, others } = found
  return {
    task,
    length: stream.length + question.length,
    stream,
    question,
    ...place,
    answer,
    maxTokens,
    asks,
    files,
    lengths: Int32Array.from([head.length, ...lengths, tail.length]),
    ...(others ? { others } : {}),
  }
}
