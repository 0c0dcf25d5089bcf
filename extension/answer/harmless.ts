/**
 * An answer as Markdown for renderers that are not ours. A small model repeats what stands in a repository, so nothing of it may be a
 * picture, a link or HTML there: a character without width parts what would begin one. Code stays as it is, where it is certain that
 * every renderer takes it for code (CommonMark 0.31, 4.5 and 6.1); where it is not, it is parted, too.
 */

const gap = '\u200b'

/** One line without anything that a renderer would make more of than text. */
export const neutral = (words: string): string =>
  words
    .replace(/!(?=\[)/g, `!${gap}`)
    .replace(/\](?=[([:])/g, `]${gap}`)
    .replace(/<(?=[a-z/!?])/gi, `<${gap}`)
    .replace(/\$(?=\$)/g, `$${gap}`)
    .replace(/(?:https?|ftp|command|file|data|mailto|javascript|vscode[\w-]*):(?=\S)|www\.(?=\S)/gi, `$&${gap}`)

/** What may begin or end a block of code that stands in a list or a quote; whether it does only a whole parser could tell. */
const doubtful = /^[\s>*+\-\d.)]*(?:`{3}|~{3})/

/** Takes an answer in pieces, as it is generated, and gives what of it can be shown. */
export class Harmless {
  /** What is not shown yet of the line that has not ended; `begun`: a part of it is. */
  private rest = ''
  private begun = false
  /** The mark that ends the block of code that we are in. */
  private fence: string | undefined
  /** From here on nothing is surely code. */
  private unsure = false
  /** The paragraph holds a backtick that another line may answer. */
  private open = false
  /** The line may be a table's: bars end its code. */
  private barred = false

  push(piece: string): string {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop() ?? ''
    const whole = lines.map((line) => `${this.line(line)}\n`).join('')
    return whole + this.certain()
  }

  /** What was held back, since it depended on what comes next. */
  end(): string {
    const last = this.rest
    this.rest = ''
    return this.line(last)
  }

  /** As much of the last line as cannot change its meaning any more. */
  private certain(): string {
    const isMark = /^[\s>*+\-\d.)]*[`~]*$/.test(this.rest) || doubtful.test(this.rest)
    if (this.fence !== undefined || (!this.begun && isMark)) return ''
    // What is parted holds no blanks; of code it has to be seen that it ends.
    const words = /^[^`\\]*(?=\s)/.exec(this.rest)?.[0] ?? ''
    this.rest = this.rest.slice(words.length)
    this.begun ||= words !== ''
    this.barred ||= words.includes('|')
    return neutral(words)
  }

  /** The rest of a line that has ended. */
  private line(line: string): string {
    const { begun, barred } = this
    this.begun = this.barred = false
    if (this.unsure) return neutral(line)
    if (this.fence !== undefined) {
      const [, run = ''] = /^ {0,3}(`+|~+)[ \t\r]*$/.exec(line) ?? []
      if (run.startsWith(this.fence)) this.fence = undefined
      return line
    }
    if (!begun) {
      const [, begins] = /^(`{3,})[^`|]*$/.exec(line) ?? /^(~{3,})[^|]*$/.exec(line) ?? []
      if (begins !== undefined) {
        this.fence = begins
        this.open = false
        return line
      }
      this.unsure = doubtful.test(line)
      if (line.trim() === '') this.open = false
    }
    if (this.unsure || ((barred || line.includes('|')) && line.includes('`'))) {
      this.open = true
      return neutral(line)
    }
    return this.words(line)
  }

  private words(line: string): string {
    let shown = ''
    let from = 0
    for (let at = 0; at < line.length; ) {
      if (line[at] === '\\') at += 2
      else if (line[at] !== '`') at++
      else {
        const run = /^`+/.exec(line.slice(at))?.[0] ?? '`'
        const end = this.open ? -1 : endOfCode(line, at + run.length, run)
        this.open ||= end < 0
        if (end >= 0) {
          shown += neutral(line.slice(from, at)) + line.slice(at, end)
          from = end
        }
        at = end >= 0 ? end : at + run.length
      }
    }
    return shown + neutral(line.slice(from))
  }
}

/** Where code that begins before `from` ends, with a run of as many backticks; -1 where it does not in this line. */
function endOfCode(line: string, from: number, run: string): number {
  for (const { 0: other, index } of line.slice(from).matchAll(/`+/g))
    if (other.length === run.length) return from + index + run.length
  return -1
}

/** A whole answer. */
export function harmless(text: string): string {
  const pieces = new Harmless()
  return pieces.push(text) + pieces.end()
}
