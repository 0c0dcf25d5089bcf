/** Cuts an answer into sentences while it is generated: at . ! ? before a space, and at line ends; code stays whole. */

/**
 * The sentences of a text as [start, end) places. They follow one another and cover all that is not blank.
 */
export function sentences(text: string): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = []
  let start = 0
  let fenced = false
  const close = (end: number) => {
    if (/\S/.test(text.slice(start, end))) result.push({ start, end })
    start = end
  }
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith('```', i)) {
      fenced = !fenced
      i += 2
      continue
    }
    if (fenced) continue
    const c = text[i] ?? ''
    const next = text[i + 1]
    if (c === '\n' || ('.!?'.includes(c) && (next === ' ' || next === '\n'))) close(i + 1)
  }
  close(text.length)
  return result
}
