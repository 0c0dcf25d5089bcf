/** Tokens gathered piece by piece, with their number known on the way, so that bounds can be noted while a prompt grows. */
export class TokenList {
  private readonly parts: Int32Array[] = []
  private count = 0

  get length(): number {
    return this.count
  }

  push(part: Int32Array): void {
    this.parts.push(part)
    this.count += part.length
  }

  whole(): Int32Array {
    const tokens = new Int32Array(this.count)
    let at = 0
    for (const part of this.parts) {
      tokens.set(part, at)
      at += part.length
    }
    return tokens
  }
}
