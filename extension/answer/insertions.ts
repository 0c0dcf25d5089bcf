/** Puts marks into an answer where its sentences end, without breaking the Markdown around them. */

export interface Insertion {
  /** Characters of the text before it. */
  readonly at: number
  readonly text: string
}

/**
 * The text with its insertions, in order. After the blanks of a sentence's end a mark moves back to the sentence; behind a fence it
 * gets a paragraph of its own, since nothing may stand on the fence's line.
 */
export function insertAt(text: string, insertions: readonly Insertion[]): string {
  const sorted = [...insertions].sort((a, b) => a.at - b.at)
  let result = ''
  let from = 0
  for (const { at, text: mark } of sorted) {
    let place = Math.max(from, Math.min(at, text.length))
    while (place > from && /\s/.test(text[place - 1] ?? '')) place--
    const piece = text.slice(from, place)
    from = place
    result += piece
    const line = result.slice(result.lastIndexOf('\n') + 1)
    if (/^\s*(`{3,}|~{3,})/.test(line)) result += `\n\n${mark}\n`
    else result += mark
  }
  return result + text.slice(from)
}
