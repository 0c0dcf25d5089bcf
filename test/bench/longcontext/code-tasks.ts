/**
 * What is found in the code of real repositories. `needle`: a constant that was put in at a depth, `INVOICE_RETRY_LIMIT = 48213`, is asked
 * for its value. `name` and `function`: a function is asked for by what its documentation said, which is not in the text, after
 * RepoQA (arXiv 2406.06025): what it is called, or all of it. `body`: the line that it begins with, and the model goes on.
 *
 * SmolLM2-135M by full attention, 12 cases each on an H100: of constants 12 at 4K tokens, 9 at 7.8K (asked for in words and name; in
 * words alone 5 and 3, by the name alone 7 and 4); at 4K 2 names (3 nearest, where chance is 1), no function (mean BLEU .17), 2
 * bodies (4 nearest; after description and question 1 and 2). So `needle` measures something of a model this small, and the
 * others are for larger ones.
 */
import type { NativeModel } from '../../../extension/engine/addon'
import { shuffled } from '../../../extension/recall/calibration/questions'
import { layOutParts, type Haystack } from './haystack'
import { plantNeedle, type Found } from './needle'
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
  return {
    ...base,
    opening: task === 'body' ? head : 'The function:\n',
    answer: body,
    maxTokens: chosen.tokens + 16,
    others,
  }
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
  const imports = await Promise.all(found.parts.map(({ file }) => haystack.importsOf(file.name)))
  const { tokens, lengths, files } = layOutParts(found.parts, head.length, imports)
  const tail = model.tokenize(found.after, false)
  const stream = Int32Array.from([...head, ...tokens, ...tail])
  const question = model.tokenize(
    task === 'body' ? found.opening : `Question: ${found.asks}\nAnswer: ${found.opening}`,
    false,
  )
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
