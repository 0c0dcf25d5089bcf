/** What an answer says, token by token: whole characters, one line where the model would go on by itself, nothing said twice. */
import { OneLine } from './one-line'
import { Unrepeated } from './repetition'

export class Speech {
  private readonly decoder = new TextDecoder()
  private readonly unrepeated = new Unrepeated()
  private readonly line: OneLine | undefined
  private readonly enough = new AbortController()
  private said = ''

  /** Characters that were generated, those that are held back among them. */
  written = 0

  /** `tell` gets every piece that is said. */
  constructor(
    oneLine: boolean,
    private readonly tell: (text: string) => void,
  ) {
    this.line = oneLine ? new OneLine() : undefined
  }

  /** Aborted when the answer is over before the model ends it. */
  get over(): AbortSignal {
    return this.enough.signal
  }

  /** Takes a token's UTF-8, which may be a part of a character. */
  push(piece: Uint8Array): void {
    const decoded = this.decoder.decode(piece, { stream: true })
    const text = this.line ? this.line.push(decoded) : decoded
    this.written += text.length
    this.say(this.unrepeated.push(text))
    if (this.unrepeated.over || this.line?.over) this.enough.abort()
  }

  /** All that was said. */
  end(): string {
    if (!this.line?.over) this.say(this.unrepeated.push(this.decoder.decode()))
    this.say(this.unrepeated.end())
    return this.said.trimEnd()
  }

  private say(piece: string): void {
    if (piece === '') return
    this.said += piece
    this.tell(piece)
  }
}
