/**
 * What is still to be read, best first: files that were just saved, newest first; then what someone asked for (open files, files
 * that a question names); then the rest, most recently changed first, since that is what people ask about.
 */
export interface Waiting {
  readonly file: string
  /** Bytes. */
  readonly size: number
  readonly modifiedMs: number
  readonly changedMs: number
  /** A `.longreadignore` asks for it (SourceFile.wanted). */
  readonly wanted: boolean
}

interface Entry extends Waiting {
  /** Above 0: just saved, the higher the newer. */
  readonly urgency: number
}

export class Backlog {
  private readonly waiting = new Map<string, Entry>()
  private readonly preferred = new Map<string, number>()
  /** Worst first; what was removed or replaced since it was sorted is passed over. */
  private sorted: Entry[] = []
  private stale = false
  private latest = 0
  private totalBytes = 0

  get size(): number {
    return this.waiting.size
  }

  get bytes(): number {
    return this.totalBytes
  }

  has(file: string): boolean {
    return this.waiting.has(file)
  }

  /** Adds or replaces. `urgent`: before everything that waits now. */
  put(entry: Waiting, urgent = false): void {
    const known = this.waiting.get(entry.file)
    this.remove(entry.file)
    const urgency = urgent ? ++this.latest : (known?.urgency ?? 0)
    this.waiting.set(entry.file, { ...entry, urgency })
    this.totalBytes += entry.size
    this.stale = true
  }

  remove(file: string): void {
    const known = this.waiting.get(file)
    if (known === undefined) return
    this.waiting.delete(file)
    this.totalBytes -= known.size
  }

  /** What was taken and could not be read, unless it has changed since. */
  putBack(taken: Waiting): void {
    if (this.waiting.has(taken.file)) return
    this.waiting.set(taken.file, { urgency: 0, ...taken })
    this.totalBytes += taken.size
    this.stale = true
  }

  /** These come next, in this order, whether they wait already or will. */
  prefer(files: readonly string[]): void {
    if (files.length === 0) return
    // What was asked for later counts more.
    const first = Math.max(0, ...this.preferred.values()) + files.length
    files.forEach((file, i) => this.preferred.set(file, first - i))
    this.stale = true
  }

  /** The first `count` that wait, best first. */
  peek(count: number): string[] {
    this.sort()
    const names: string[] = []
    for (let i = this.sorted.length - 1; i >= 0 && names.length < count; i--) {
      const entry = this.sorted[i]
      if (entry && this.waiting.get(entry.file) === entry) names.push(entry.file)
    }
    return names
  }

  /** Every file that waits, in no order. */
  files(): IterableIterator<string> {
    return this.waiting.keys()
  }

  /** Takes the best out; `urgentOnly`: only one that was just saved. */
  take(urgentOnly = false): Waiting | undefined {
    this.sort()
    for (let entry = this.sorted.at(-1); entry !== undefined; entry = this.sorted.at(-1)) {
      if (this.waiting.get(entry.file) !== entry) this.sorted.pop()
      else if (urgentOnly && entry.urgency === 0) return undefined
      else {
        this.sorted.pop()
        this.remove(entry.file)
        return entry
      }
    }
    return undefined
  }

  private sort(): void {
    if (!this.stale) return
    this.stale = false
    const wish = ({ file }: Entry) => this.preferred.get(file) ?? 0
    this.sorted = [...this.waiting.values()].sort(
      (a, b) =>
        a.urgency - b.urgency ||
        wish(a) - wish(b) ||
        a.modifiedMs - b.modifiedMs ||
        (a.file < b.file ? 1 : a.file > b.file ? -1 : 0),
    )
  }
}

/** Which of the files questions speak of: by their name, with or without its extension, or by a path that ends so. */
export function namedFiles(questions: readonly string[], files: Iterable<string>): string[] {
  const words = new Set(
    questions
      .flatMap((question) => question.toLowerCase().split(/[^\p{L}\p{N}_./-]+/u))
      .map((w) => w.replace(/\.+$/, '')),
  )
  const isNamed = (file: string) => {
    const parts = file.toLowerCase().split('/')
    const base = parts.at(-1) ?? ''
    const stem = base.replace(/\.[^.]*$/, '')
    // One everyday letter or two name nothing.
    if (words.has(base) || (stem.length > 2 && words.has(stem))) return true
    return parts.some((_, i) => i > 0 && words.has(parts.slice(i - 1).join('/')))
  }
  return [...files].filter(isNamed)
}
