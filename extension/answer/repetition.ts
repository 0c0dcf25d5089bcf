/**
 * Small models come to the end of what they have to say and say it again, or put the next question themselves, in the words of the
 * prompt. This holds back a sentence while it is word for word one that was said already, or while it may become such a question, and
 * tells when it is: then the answer is over.
 */
import { sentences } from './sentences'

/** A stretch without a sentence's end that stands so many times in a row is a loop, too… */
const loops = 3
/** …when it has at least so many characters and at most so many. */
const shortest = 4
const longest = 120
/** How the prompt puts a question (prompt.ts). */
const question = 'Question:'

export class Unrepeated {
  private text = ''
  private given = 0

  /** True when the answer only repeats itself from here on; then what was held back is not said. */
  over = false

  /** Takes a piece of the answer and gives what can be said now. */
  push(piece: string): string {
    if (this.over) return ''
    this.text += piece
    const said = sentences(this.text).map(({ start, end }) => this.text.slice(start, end).trim())
    const newest = said.pop()
    if (newest === undefined) return ''
    const asks = said.length > 0 && newest.startsWith(question)
    if (asks || said.some((earlier) => earlier === newest) || endsInLoop(this.text)) {
      this.over = true
      return ''
    }
    const mayAsk = said.length > 0 && question.startsWith(newest)
    return mayAsk || said.some((earlier) => earlier.startsWith(newest)) ? '' : this.release()
  }

  /** What is held back when the model has ended by itself. */
  end(): string {
    return this.over ? '' : this.release()
  }

  private release(): string {
    const now = this.text.slice(this.given)
    this.given = this.text.length
    return now
  }
}

function endsInLoop(text: string): boolean {
  for (let period = shortest; period <= Math.min(longest, text.length / loops); period++) {
    const last = text.slice(-period)
    if (/[\p{L}\p{N}]/u.test(last) && text.endsWith(last.repeat(loops))) return true
  }
  return false
}
