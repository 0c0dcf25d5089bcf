/** A session's state as the panel shows it: one line, how far reading is, what is held and what was left out. */
import type { SessionState } from '../../engine/workspace-session'
import type { Coverage, Remedy, SessionView } from '../../protocol/chat'
import type { Progress, StreamResult } from '../../protocol/types'
import { percentOf, progressLines, type Translate } from '../status-text'

/** Names of files that are sent for each reason; the rest are counted. */
const mostNamed = 40

export interface Shown {
  readonly t: Translate
  readonly noFolder: () => string
  readonly failure: (error: unknown) => { readonly message: string; readonly remedy?: Remedy }
}

export function sessionView(
  folder: string,
  state: SessionState | undefined,
  { t, failure, noFolder }: Shown,
): SessionView {
  const view = (kind: SessionView['kind'], text: string, more: Partial<SessionView> = {}): SessionView => ({
    kind,
    folder,
    text,
    ...more,
  })
  if (!state) return view('none', noFolder())
  switch (state.kind) {
    case 'unread':
      return view('unread', t('Not read yet.'))
    case 'no-model': {
      const { message } = failure(state.error)
      return view('no-model', message, { remedy: 'downloadModel' })
    }
    case 'reading':
    case 'paused': {
      const percent = state.held ? undefined : percentOf(state.progress)
      const more = {
        ...(percent === undefined ? {} : { percent }),
        ...(state.held ? { coverage: coverageOf(state.held) } : {}),
      }
      if (state.kind === 'paused') return view('paused', t('Reading is paused.'), more)
      if (state.held) return view('reading', t('Reading what has changed…'), more)
      return view('reading', [t('Reading…'), ...progressLines(state.progress, t)].join(' '), more)
    }
    case 'ready':
    case 'stale':
      return view(
        state.kind,
        t('{0} files, {1} tokens', state.held.files.toLocaleString(), state.held.tokens.toLocaleString()),
        { coverage: coverageOf(state.held) },
      )
    case 'failed': {
      const { message, remedy } = failure(state.error)
      return view('failed', message, remedy ? { remedy } : {})
    }
  }
}

export function coverageOf({ files, units, tokens, memoryBytes, skipped }: StreamResult): Coverage {
  const reasons = new Map<string, string[]>()
  for (const { file, reason } of skipped) {
    const group = reasons.get(reason)
    if (group) group.push(file)
    else reasons.set(reason, [file])
  }
  const leftOut = [...reasons]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([reason, names]) => ({ reason, count: names.length, files: names.slice(0, mostNamed) }))
  return { files, units, tokens, bytes: memoryBytes, leftOut }
}

/** What is done before the first word of an answer. */
export function doing(progress: Progress, t: Translate): string {
  const percent = percentOf(progress)
  switch (progress.phase) {
    case 'load':
      return t('Loading the model…')
    case 'prepare':
      return t('Preparing the GPU… {0} s', progress.done)
    case 'discover':
      return t('Looking for files…')
    case 'read':
      return percent === undefined ? t('Reading…') : t('Reading the repository: {0} %', percent)
    case 'recall':
      return t('Searching…')
    case 'rerank':
      return t('Looking closer at the best places…')
    case 'prefill':
      return t('Reading what was found…')
    case 'calibrate':
      return t('Learning which heads of the model find code…')
    case 'answer':
    case 'download':
    case 'verify':
      return ''
  }
}
