/**
 * A text as rows, counted by `\n` alone (a `\r` before it belongs to its row): where rows start, which are blank, which only
 * close something, and how large a stretch of them is. Rows are 0-based here; units are 1-based.
 */

/** How large a stretch of rows may be. Whichever of the two is reached first counts. */
export interface Size {
  readonly lines: number
  /** UTF-16 code units, line ends included. */
  readonly chars: number
}

/** A row that ends a block and says nothing else: closing brackets, tags and words, with at most a comment behind them. */
const closing =
  /^\s*(?=[)\]}]|<\/|\?>|#endif\b|(?:end|fi|done|esac)\b)(?:[)\]};,\s]*|<\/[\w:.-]+>|\?>|(?:end|fi|done|esac)[;,)\s]*)(?:(?:\/\/|#|\/\*|--).*)?$/

/** A longer row is code, whatever it starts with. */
const longestClosing = 80

export class Lines {
  readonly count: number
  /** Offset of each row, and of the end behind the last. */
  private readonly starts: number[]
  /** For each row the last row up to it that has text, or -1. */
  private readonly lastText: number[] = []

  constructor(readonly text: string) {
    const starts = [0]
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    if (starts.at(-1) !== text.length) starts.push(text.length)
    this.starts = starts
    this.count = starts.length - 1
    for (let row = 0, last = -1; row < this.count; row++) {
      if (/\S/.test(this.row(row))) last = row
      this.lastText.push(last)
    }
  }

  get isEmpty(): boolean {
    return this.count === 0 || this.lastText[this.count - 1] === -1
  }

  offset(row: number): number {
    return this.starts[row] ?? this.text.length
  }

  /** The text of a row with its line end. */
  row(row: number): string {
    return this.text.slice(this.offset(row), this.offset(row + 1))
  }

  isBlank(row: number): boolean {
    return this.lastText[row] !== row
  }

  /** The last row in `from..to` that has text; `from` when none has. */
  lastTextRow(from: number, to: number): number {
    return Math.max(from, this.lastText[to] ?? from)
  }

  isClosing(row: number): boolean {
    const text = this.row(row).trimEnd()
    return text.length <= longestClosing && closing.test(text)
  }

  /** Width of the white space before the text; a tab reaches the next multiple of four. */
  indent(row: number): number {
    let width = 0
    for (const char of this.row(row)) {
      if (char === ' ') width += 1
      else if (char === '\t') width += 4 - (width % 4)
      else break
    }
    return width
  }

  /** Lines and characters of `from..to`, without blank rows at its end. */
  size(from: number, to: number): Size {
    const last = this.lastTextRow(from, to)
    return { lines: last - from + 1, chars: this.offset(last + 1) - this.offset(from) }
  }

  fits(from: number, to: number, limit: Size): boolean {
    const { lines, chars } = this.size(from, to)
    return lines <= limit.lines && chars <= limit.chars
  }
}
