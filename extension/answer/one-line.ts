/** The answer of a base model, as it is generated: its first line that says anything. After that it makes up what it is asked next. */
export class OneLine {
  private begun = false

  /** True once the line has ended; nothing is given from there on. */
  over = false

  /** Takes a piece of what is generated and gives what of it belongs to the answer. */
  push(piece: string): string {
    if (this.over) return ''
    const text = this.begun ? piece : piece.trimStart()
    if (text === '') return ''
    this.begun = true
    const end = text.search(/[\r\n]/)
    this.over = end >= 0
    return this.over ? text.slice(0, end) : text
  }
}
