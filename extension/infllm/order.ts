/**
 * The order of files in a stream. What is read depends on all that stands before it, so that a change costs all that comes after it:
 * files keep the order of the last time, and those that changed since go to its end, where the next change of them costs little.
 */
export interface NamedText {
  /** Relative to the root. */
  readonly file: string
  /** Of its tokens and how they are cut. */
  readonly digest: string
}

export interface Ordered<T> {
  readonly files: readonly T[]
  /** How many of the first are as they were before, and where they were. */
  readonly same: number
  /** How many of the first are as they were before, or all of them where nothing was. */
  readonly settled: number
}

/** Files whose order is not to change: `before` in that of the last time. */
export function asFound<T extends NamedText>(found: readonly T[], before: readonly NamedText[]): Ordered<T> {
  const other = found.findIndex(({ file, digest }, i) => before[i]?.file !== file || before[i].digest !== digest)
  return { files: found, same: other < 0 ? found.length : other, settled: found.length }
}

/** `found` in the order of their names, `before` in that of the last time. */
export function inOrder<T extends NamedText>(found: readonly T[], before: readonly NamedText[]): Ordered<T> {
  const left = new Map(found.map((text) => [text.file, text]))
  const files: T[] = []
  let same = 0
  before.forEach(({ file, digest }, i) => {
    const text = left.get(file)
    if (text?.digest !== digest) return
    left.delete(file)
    files.push(text)
    if (same === i) same++
  })
  const settled = before.length === 0 ? found.length : files.length
  return { files: [...files, ...left.values()], same, settled }
}

/** Where reading pauses to be kept, as numbers of files: after every so many tokens, before what has changed, and at the end. */
export function pauses(
  files: readonly { readonly to: number }[],
  settled: number,
  read: number,
  every: number,
): number[] {
  const result: number[] = []
  let last = read
  files.forEach(({ to }, i) => {
    if (to <= read) return
    const ends = i + 1 === files.length || i + 1 === settled || to - last >= every
    if (!ends) return
    last = to
    result.push(i + 1)
  })
  return result
}
