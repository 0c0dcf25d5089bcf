/**
 * ∞-Bench's forms of retrieval (arXiv 2402.13718), made from a seed at any length: a pass key, a sequence of digits that repeat, the
 * value of a key in a JSON object; the wanted one at a depth of the text. And one line among lines alike, with names of words, after
 * LongEval's; and one of four numbers alike in the same filler, after RULER's niah_multikey (arXiv 2404.06654).
 *
 * SmolLM2-135M by full attention, 12 cases each on an H100: of `keys` it finds 11 in 1K tokens, 8 in 4K, 3 in 7.8K; of `lines` 5 in
 * 512 tokens, 2 in 1K, of `kv` 2 and 1. It confuses what is alike, not what is long: among records of 4 or 8 hex digits it finds no
 * more than 5 in 256 tokens, however they are written.
 */
import type { NativeModel } from '../../../extension/engine/addon'
import { shuffled } from '../../../extension/recall/calibration/questions'
import { random } from '../../support/random'
import { codeTaskNames } from './code-tasks'
import type { TextFile } from './haystack'
import { alikeEnough, asLongAs, similarity } from './similarity'

export const textTaskNames = ['passkey', 'number', 'kv', 'lines', 'keys'] as const
export type TextTaskName = (typeof textTaskNames)[number]
export const taskNames = [...textTaskNames, ...codeTaskNames] as const
export type TaskName = (typeof taskNames)[number]

interface Task {
  /** What the text is introduced with, and what it ends with. */
  readonly before: string
  readonly after: string
  /** Everything but what is wanted, piece by piece; one piece for ever where it is the same every time. */
  readonly filler: string | (() => string)
  readonly wanted: string
  /** What could be mistaken for it, elsewhere in the text. */
  readonly others?: readonly string[]
  readonly question: string
  /** How the answer begins. */
  readonly opening: string
  readonly answer: string
  readonly maxTokens: number
}

export interface Case {
  readonly task: TaskName
  /** Tokens of stream and question. */
  readonly length: number
  readonly stream: Int32Array
  readonly question: Int32Array
  /** Where in the stream what is wanted stands. */
  readonly from: number
  readonly to: number
  readonly answer: string
  readonly maxTokens: number
  /** What recall is asked, and the files that it reads; of texts that are not of files, their pieces as lines. */
  readonly asks: string
  readonly files: readonly TextFile[]
  /** Of units of code, which sum to the stream; empty where there are none. */
  readonly lengths: Int32Array
  /** What an answer could be mistaken for: other functions of the text, or other names. */
  readonly others?: readonly string[]
}

const digits = (below: (n: number) => number, count: number): string =>
  String(1 + below(9)) + Array.from({ length: count - 1 }, () => String(below(10))).join('')

/** Repeating digits, as `2202222222`: a number that a model cannot guess the rest of. */
function repeating(below: (n: number) => number): string {
  const usual = String(1 + below(9))
  return Array.from({ length: 10 }, (_, i) => (i > 0 && below(4) === 0 ? String(below(10)) : usual)).join('')
}

const uuid = (below: (n: number) => number): string =>
  [8, 4, 4, 4, 12].map((n) => Array.from({ length: n }, () => below(16).toString(16)).join('')).join('-')

const grass = ' The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.'
const hidden = (what: string): string =>
  `There is an important info hidden inside a lot of irrelevant text. Find it${what}. I will quiz you about the important information there.\n\n`

const split = (words: string): readonly string[] => words.split(' ')
// 80,000 names: more than lines in a million tokens.
const adjectives = split(
  'big small old young quiet loud happy sad brave shy clever lazy quick slow strong weak warm cold kind proud calm wild gentle rough bright dark smooth heavy light tall short wide narrow deep fresh dry wet sweet bitter plain',
)
const colours = split(
  'red blue green yellow brown black white grey pink purple orange golden silver violet scarlet crimson ivory amber copper bronze cream navy olive ruby coral lemon mint sandy rusty snowy dusty muddy stony glass paper wooden iron cotton silken leather',
)
const nouns = split(
  'horse dog cat bird fish lion tiger bear wolf fox mouse rabbit sheep goat cow duck goose eagle owl crow snake frog turtle whale shark tree flower river lake mountain valley house bridge tower road boat train wagon bell drum flute chair table lamp clock mirror basket bottle hammer ladder',
)

function taskOf(name: TextTaskName, below: (n: number) => number): Task {
  if (name === 'kv') {
    const record = (key: string, value: string): string => `"${key}": "${value}", `
    const [key, answer] = [uuid(below), uuid(below)]
    return {
      before: `Extract the value corresponding to the specified key in the JSON object below.\n\n{`,
      after: '}\n\n',
      filler: () => record(uuid(below), uuid(below)),
      wanted: record(key, answer),
      question: `Key: "${key}"\nThe value associated with the specified key is: `,
      opening: `"`,
      answer,
      maxTokens: 48,
    }
  }
  if (name === 'lines') {
    const used = new Set<string>()
    const nameOf = (): string => {
      for (;;) {
        const words = [adjectives, colours, nouns].map((list) => list[below(list.length)])
        const chosen = words.join(' ')
        if (used.has(chosen)) continue
        used.add(chosen)
        return chosen
      }
    }
    const line = (of: string, value: string): string => `The code of the ${of} is ${value}.\n`
    const [wanted, answer] = [nameOf(), digits(below, 5)]
    return {
      before: 'Each line below has a code. I will ask you for one of them.\n\n',
      after: '\n',
      filler: () => line(nameOf(), digits(below, 5)),
      wanted: line(wanted, answer),
      question: `What is the code of the ${wanted}?`,
      opening: `The code of the ${wanted} is`,
      answer,
      maxTokens: 8,
    }
  }
  if (name === 'keys') {
    const special = (key: string, value: string): string => ` One of the special magic numbers for ${key} is: ${value}.`
    const names = shuffled(nouns, below(1 << 30)).slice(0, 4)
    const [key = '', ...rest] = names.map((noun) => `${adjectives[below(adjectives.length)]}-${noun}`)
    const answer = digits(below, 7)
    return {
      before:
        'Some special magic numbers are hidden within the following text. Make sure to memorize it. I will quiz you about the numbers afterwards.\n\n',
      after: '\n\n',
      filler: grass,
      wanted: special(key, answer),
      others: rest.map((other) => special(other, digits(below, 7))),
      question: `What is the special magic number for ${key} mentioned in the provided text?`,
      opening: `The special magic number for ${key} mentioned in the provided text is`,
      answer,
      maxTokens: 10,
    }
  }
  const passkey = name === 'passkey'
  const answer = passkey ? digits(below, 5) : repeating(below)
  const what = passkey ? 'pass key' : 'sequence of digits'
  return {
    before: hidden(passkey ? ' and memorize them' : ''),
    after: '\n\n',
    filler: grass,
    wanted: ` The ${what} is ${answer}. Remember it. ${answer} is the ${what}.`,
    question: `What is the ${what}?`,
    opening: `The ${what} is`,
    answer,
    maxTokens: passkey ? 8 : 14,
  }
}

/** A place where the chat template is cut, of characters that no template and no task has. */
const place = '\u0001'

export interface CaseOptions {
  readonly task: TaskName
  readonly length: number
  /** From 0, the beginning, to 1. */
  readonly depth: number
  readonly seed: number
  /** In the model's chat template; otherwise as a text that goes on. */
  readonly chat: boolean
}

/** The same case for the same seed, whatever reads it. */
export function makeCase(
  model: NativeModel,
  { task: name, length, depth, seed, chat }: CaseOptions & { readonly task: TextTaskName },
): Case {
  const task = taskOf(name, random(seed))
  const { beginToken } = model.info()
  const chats = chat && model.info().chats
  const [start = '', end = ''] = chats ? model.chat([{ role: 'user', content: place }]).split(place) : ['', ' ']
  const plain = (text: string): Int32Array => model.tokenize(text, false)
  const begin = beginToken >= 0 && !chats ? [beginToken] : []
  const head = [...begin, ...model.tokenize(start, true), ...plain(task.before)]
  const tail = [...plain(task.after)]
  const question = [...plain(task.question), ...model.tokenize(end, true), ...plain(task.opening)]
  const wanted = { text: task.wanted, tokens: plain(task.wanted) }
  const others = (task.others ?? []).map((text) => ({ text, tokens: plain(text) }))
  let room = length - size([{ tokens: head }, { tokens: tail }, { tokens: question }, wanted, ...others])
  const pieces: Piece[] = []
  const same = typeof task.filler === 'string' ? { text: task.filler, tokens: plain(task.filler) } : undefined
  for (;;) {
    const text = same?.text ?? (task.filler as () => string)()
    const piece = same ?? { text, tokens: plain(text) }
    if (piece.tokens.length > room) break
    pieces.push(piece)
    room -= piece.tokens.length
  }
  const below = random(seed + 1)
  for (const other of others) pieces.splice(below(pieces.length + 1), 0, other)
  const at = Math.round(depth * pieces.length)
  pieces.splice(at, 0, wanted)
  const parts = [{ tokens: head }, ...pieces, { tokens: tail }]
  const stream = new Int32Array(size(parts))
  let written = 0
  for (const { tokens } of parts) {
    stream.set(tokens, written)
    written += tokens.length
  }
  const from = head.length + size(pieces.slice(0, at))
  const { answer, maxTokens } = task
  return {
    task: name,
    length: stream.length + question.length,
    stream,
    question: Int32Array.from(question),
    from,
    to: from + wanted.tokens.length,
    answer,
    maxTokens,
    asks: task.question,
    files: asFiles(pieces, head.length),
    lengths: new Int32Array(),
  }
}

interface Piece {
  readonly text: string
  readonly tokens: Int32Array
}

const size = (parts: readonly { readonly tokens: ArrayLike<number> }[]): number =>
  parts.reduce((sum, { tokens }) => sum + tokens.length, 0)

const piecesInFile = 64

/** Pieces as paragraphs of files, so that recall can find them. */
function asFiles(pieces: readonly Piece[], offset: number): TextFile[] {
  const files: TextFile[] = []
  let at = offset
  for (let first = 0; first < pieces.length; first += piecesInFile) {
    const own = pieces.slice(first, first + piecesInFile)
    const spans = own.map(({ tokens }, i) => ({
      ...{ startLine: 2 * i + 1, endLine: 2 * i + 2 },
      ...{ from: at, to: (at += tokens.length) },
    }))
    const text = own.map((piece) => `${piece.text.trim()}\n\n`).join('')
    const name = `text/${String(files.length).padStart(5, '0')}.txt`
    const from = spans[0]?.from ?? at
    files.push({ name, text, spans, place: { file: name, from, to: at, units: [0, 0], imports: [] } })
  }
  return files
}

export interface Verdict {
  readonly right: boolean
  /** Of functions: how alike what was said is to the one asked for, and whether more so than to any other of the text. */
  readonly similarity?: number
  readonly best?: boolean
}

const like = (said: string, other: string): number => similarity(asLongAs(said, other), other)

/**
 * Whether what was said begins with the answer: its first number is it, or the text up to its closing quote. A function is right as
 * in RepoQA: most alike, and alike enough.
 */
export function judge({ task, answer, others = [] }: Pick<Case, 'task' | 'answer' | 'others'>, said: string): Verdict {
  const isOthers = (own: number) => others.some((other) => like(said, other) >= own)
  if (task === 'kv') return { right: said.trimStart().replace(/^"/, '').startsWith(answer) }
  if (task === 'name') {
    const name = /^\s*(?:[\w$]+(?:\.|::|->))*([\w$]*)/.exec(said)?.[1] ?? ''
    return { right: name === answer, best: likeness(name, answer) > Math.max(0, ...others.map((other) => likeness(name, other))) } // prettier-ignore
  }
  if (task === 'function' || task === 'body') {
    const own = like(said, answer)
    const best = own > 0 && !isOthers(own)
    return { right: best && own >= alikeEnough, similarity: own, best }
  }
  return { right: /\d+/.exec(said)?.[0] === answer }
}

/** Characters that two names begin with in common, as a share of the longer. */
function likeness(a: string, b: string): number {
  let common = 0
  while (common < Math.min(a.length, b.length) && a[common] === b[common]) common++
  return common / Math.max(a.length, b.length)
}
