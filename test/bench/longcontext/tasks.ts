/**
 * ∞-Bench's forms of retrieval (arXiv 2402.13718), made from a seed at any length: a pass key, a sequence of digits that repeat, the
 * value of a key in a JSON object; the wanted one at a depth of the text. And one line among lines alike, with names of words, after
 * LongEval's. (SmolLM2-135M finds neither a value nor a line among others alike in 400 tokens with full attention; larger models do.)
 */
import type { NativeModel } from '../../../extension/engine/addon'
import { random } from '../../support/random'

export const taskNames = ['passkey', 'number', 'kv', 'lines'] as const
export type TaskName = (typeof taskNames)[number]

interface Task {
  /** What the text is introduced with, and what it ends with. */
  readonly before: string
  readonly after: string
  /** Everything but what is wanted, piece by piece; one piece for ever where it is the same every time. */
  readonly filler: string | (() => string)
  readonly wanted: string
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

function taskOf(name: TaskName, below: (n: number) => number): Task {
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
export function makeCase(model: NativeModel, { task: name, length, depth, seed, chat }: CaseOptions): Case {
  const task = taskOf(name, random(seed))
  const { beginToken } = model.info()
  const chats = chat && model.info().chats
  const [start = '', end = ''] = chats ? model.chat([{ role: 'user', content: place }]).split(place) : ['', ' ']
  const plain = (text: string): Int32Array => model.tokenize(text, false)
  const begin = beginToken >= 0 && !chats ? [beginToken] : []
  const head = [...begin, ...model.tokenize(start, true), ...plain(task.before)]
  const tail = [...plain(task.after)]
  const question = [...plain(task.question), ...model.tokenize(end, true), ...plain(task.opening)]
  const wanted = plain(task.wanted)
  let room = length - head.length - tail.length - question.length - wanted.length
  const pieces: Int32Array[] = []
  const same = typeof task.filler === 'string' ? plain(task.filler) : undefined
  for (;;) {
    const piece = same ?? plain((task.filler as () => string)())
    if (piece.length > room) break
    pieces.push(piece)
    room -= piece.length
  }
  const at = Math.round(depth * pieces.length)
  const size = (parts: readonly ArrayLike<number>[]) => parts.reduce((sum, part) => sum + part.length, 0)
  const parts = [head, ...pieces.slice(0, at), wanted, ...pieces.slice(at), tail]
  const stream = new Int32Array(size(parts))
  let written = 0
  for (const part of parts) {
    stream.set(part, written)
    written += part.length
  }
  const from = head.length + size(pieces.slice(0, at))
  const { answer, maxTokens } = task
  return {
    task: name,
    length: stream.length + question.length,
    stream,
    question: Int32Array.from(question),
    from,
    to: from + wanted.length,
    answer,
    maxTokens,
  }
}

/** Whether what was said begins with the answer: its first number is it, or the text up to its closing quote. */
export function isRight({ task, answer }: Pick<Case, 'task' | 'answer'>, said: string): boolean {
  if (task === 'kv') return said.trimStart().replace(/^"/, '').startsWith(answer)
  return /\d+/.exec(said)?.[0] === answer
}
