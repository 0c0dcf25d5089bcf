/**
 * What a person sees on the terminal: one progress bar at a time on stderr, plain lines for everything else. Names of files may
 * hold anything, so control characters never reach the terminal as they are.
 */
import { MultiBar, Presets, type SingleBar } from 'cli-progress'
import { oneLine, unprintable } from '../answer/plain'
import type { Phase, Progress } from '../protocol/types'

export { oneLine, printable } from '../answer/plain'

const phases: Readonly<Record<Phase, string>> = {
  discover: 'Looking for files',
  load: 'Loading the model',
  prepare: 'Preparing the GPU',
  read: 'Reading',
  recall: 'Searching',
  rerank: 'Looking closer',
  prefill: 'Reading what was found',
  answer: 'Answering',
  download: 'Downloading',
  calibrate: 'Calibrating',
  verify: 'Checking',
}

/** Which take long. */
const toldPhases: ReadonlySet<Phase> = new Set(['prepare', 'read', 'download', 'calibrate'])

/** One line of JSON that a terminal may show, too: it says the same, with all that as escapes. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(unprintable, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

export const seconds = (n: number): string => {
  if (n < 10) return `${n.toFixed(1)} s`
  if (n < 60) return `${Math.round(n)} s`
  const minutes = Math.floor(n / 60)
  return minutes < 60 ? `${minutes} min ${Math.round(n % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export const bytes = (n: number): string =>
  n < 1e6 ? `${(n / 1e3).toFixed(1)} KB` : n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`

const amount = (n: number, unit: Progress['unit']): string =>
  unit === 'seconds' ? seconds(n) : unit === 'bytes' ? bytes(n) : `${Math.round(n).toLocaleString('en-US')} ${unit}`

/** Shows progress where stderr is a terminal; otherwise tells each phase once in a while, so that logs stay readable. */
export class ProgressView {
  private bars: MultiBar | undefined
  private bar: SingleBar | undefined
  private phase: Phase | undefined
  private toldAt = 0

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly json: boolean,
  ) {}

  show(progress: Progress): void {
    if (this.json) this.stream.write(`${jsonLine({ progress })}\n`)
    else if (this.stream.isTTY) this.draw(progress)
    else this.tell(progress)
  }

  private tell(progress: Progress): void {
    const now = Date.now()
    if (progress.phase === this.phase && now - this.toldAt < 5000) return
    if (!toldPhases.has(progress.phase)) return
    // Often nothing is to be done.
    if (progress.done === 0) return
    this.phase = progress.phase
    this.toldAt = now
    this.stream.write(`${describe(progress)}\n`)
  }

  private draw(progress: Progress): void {
    if (progress.phase !== this.phase) this.clear()
    this.phase = progress.phase
    if (!this.bar) {
      this.bars = new MultiBar(
        {
          format: '{label} {bar} {percent}  {text}',
          hideCursor: true,
          clearOnComplete: true,
          stream: this.stream,
          barsize: 24,
          fps: 10,
          linewrap: false,
        },
        Presets.rect,
      )
      this.bar = this.bars.create(1000, 0, payload(progress))
    }
    const share = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0
    this.bar.update(Math.round(share * 1000), payload(progress))
  }

  clear(): void {
    this.bars?.stop()
    this.bars = undefined
    this.bar = undefined
    this.phase = undefined
  }
}

const payload = (progress: Progress) => ({
  label: phases[progress.phase].padEnd(22),
  percent:
    progress.total > 0 ? `${Math.min(100, Math.round((100 * progress.done) / progress.total))} %`.padStart(5) : '    ',
  text: detail(progress),
})

const describe = (progress: Progress): string => {
  const percent = progress.total > 0 ? ` ${Math.min(100, Math.round((100 * progress.done) / progress.total))} %` : ''
  return `${phases[progress.phase]}${percent}: ${detail(progress)}`
}

function detail({ phase, done, unit, rate, etaSeconds, detail: what }: Progress): string {
  if (phase === 'load') return ''
  const parts = [amount(done, unit)]
  if (rate > 0 && done > 0) parts.push(`${amount(rate, unit)}/s`)
  if (etaSeconds !== undefined && etaSeconds >= 1) parts.push(`${seconds(etaSeconds)} to go`)
  if (what) parts.push(oneLine(what).slice(-40))
  return parts.join(', ')
}
