/** How far the reading of a backlog is: bytes tell how much is left, and how many tokens a byte has is learned on the way. */
import type { Progress } from '../protocol/types'
import { ProgressMeter } from './progress'
import type { EpisodeListeners } from './reading'

export class ReadingProgress {
  files = 0
  tokens = 0
  private bytes = 0
  private hearing = 0
  private readonly started = performance.now()
  private readonly meter: ProgressMeter

  constructor(
    private readonly totalBytes: number,
    private readonly progress: (progress: Progress) => void,
  ) {
    this.meter = new ProgressMeter('read', 'tokens', progress)
  }

  /** For the reading of one file, or of some together. */
  of(files: readonly { readonly file: string; readonly size: number }[]): EpisodeListeners {
    const next = { file: files[0]?.file ?? '', size: files.reduce((sum, { size }) => sum + size, 0) }
    return {
      onTokens: (tokens, of) => this.tell(next, this.tokens + tokens, of > 0 ? tokens / of : 1),
      onHeard: (milliseconds) => {
        this.hearing += milliseconds
        this.meter.skip(milliseconds)
      },
      progress: this.progress,
    }
  }

  /** Of files that were read together; `tokens` of each, undefined where the model had nothing to read. */
  done(files: readonly { readonly file: string; readonly size: number; readonly tokens: number | undefined }[]): void {
    for (const { size, tokens } of files) {
      if (tokens !== undefined) this.files++
      this.tokens += tokens ?? 0
      this.bytes += size
    }
    this.tell({ file: files[0]?.file ?? '', size: 0 }, this.tokens, 0)
  }

  finish(): void {
    this.meter.finish(this.tokens)
  }

  /** Tokens a second, without the time to hear the bank. */
  rate(): number {
    const seconds = (performance.now() - this.started - this.hearing) / 1000
    return this.tokens > 0 ? this.tokens / seconds : 0
  }

  private tell(next: { readonly file: string; readonly size: number }, tokens: number, part: number): void {
    const share = Math.min(1, (this.bytes + next.size * part) / Math.max(1, this.totalBytes))
    this.meter.report(tokens, share > 0.002 ? Math.round(tokens / share) : 0, next.file)
  }
}
