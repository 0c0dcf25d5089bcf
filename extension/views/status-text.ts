/** What the status bar says of a state: a pure switch, so that no state is forgotten. */
import type { SessionState } from '../engine/workspace-session'
import type { Device, Progress } from '../protocol/types'

export interface StatusText {
  readonly text: string
  readonly tooltip: string
  readonly severity: 'normal' | 'warning' | 'error'
}

/** vscode.l10n.t, or in tests what fills in the places. */
export type Translate = (message: string, ...args: (string | number)[]) => string

/** `device` is what computes, once a model is loaded. */
export function statusText(state: SessionState | undefined, t: Translate, device?: Device): StatusText {
  const status = stateText(state, t)
  const line = device && state && 'held' in state ? deviceLine(device, t) : undefined
  return line === undefined ? status : { ...status, tooltip: `${status.tooltip}\n${line}` }
}

/** What computes, in words: a GPU by its name, and how much of the model is there; nothing of the processor. */
function deviceLine({ kind, name, layers, whole }: Device, t: Translate): string | undefined {
  if (kind === 'cpu') return undefined
  return whole ? t('Computed on {0}.', name) : t('Computed on {0} ({1} layers) and the processor.', name, layers)
}

function stateText(state: SessionState | undefined, t: Translate): StatusText {
  if (!state)
    return { text: '$(book) Longread', tooltip: t('Open a folder to read it with Longread.'), severity: 'normal' }
  switch (state.kind) {
    case 'unread':
      return { text: '$(book) Longread', tooltip: t('This folder has not been read yet.'), severity: 'normal' }
    case 'no-model':
      return { text: t('$(book) No model'), tooltip: t('Longread needs a model on this machine.'), severity: 'warning' }
    case 'reading': {
      const { progress } = state
      if (state.held)
        return { text: t('$(sync~spin) Longread'), tooltip: t('Reading what has changed.'), severity: 'normal' }
      const percent = percentOf(progress)
      return {
        text: percent === undefined ? t('$(sync~spin) Reading') : t('$(sync~spin) Reading {0} %', percent),
        tooltip: [t('Longread is reading this folder.'), ...progressLines(progress, t)].join('\n'),
        severity: 'normal',
      }
    }
    case 'paused': {
      const percent = percentOf(state.progress)
      return {
        text: percent === undefined ? t('$(debug-pause) Paused') : t('$(debug-pause) Paused at {0} %', percent),
        tooltip: t('Reading is paused. Questions are answered from what has been read.'),
        severity: 'normal',
      }
    }
    case 'ready':
      return {
        text: '$(book) Longread',
        tooltip: t(
          'Ready: {0} files with {1} tokens are held; {2} left out.',
          state.held.files.toLocaleString(),
          state.held.tokens.toLocaleString(),
          state.held.skipped.length.toLocaleString(),
        ),
        severity: 'normal',
      }
    case 'stale':
      return {
        text: '$(book) Longread',
        tooltip: t('Files have changed and are read again shortly.'),
        severity: 'normal',
      }
    case 'failed':
      return { text: t('$(error) Longread'), tooltip: state.error.what, severity: 'error' }
  }
}

/** How far reading is, where its end is known. */
export function percentOf(progress: Progress | undefined): number | undefined {
  if (!progress || progress.phase === 'load' || progress.total <= 0) return undefined
  return Math.min(100, Math.floor((100 * progress.done) / progress.total))
}

/** The same progress in words: amount and speed, time to go. */
export function progressLines(progress: Progress | undefined, t: Translate): string[] {
  if (!progress) return []
  if (progress.phase === 'load') return [t('Loading the model…')]
  if (progress.phase === 'prepare') return [t('Preparing the GPU… {0} s', progress.done)]
  if (progress.phase === 'discover') return [t('Looking for files: {0} so far.', progress.done.toLocaleString())]
  const lines: string[] = []
  if (progress.done > 0)
    lines.push(
      t('{0} tokens, {1} a second.', progress.done.toLocaleString(), Math.round(progress.rate).toLocaleString()),
    )
  const { etaSeconds } = progress
  if (etaSeconds !== undefined && etaSeconds >= 1)
    lines.push(
      etaSeconds < 90 ? t('{0} s to go.', Math.round(etaSeconds)) : t('{0} min to go.', Math.round(etaSeconds / 60)),
    )
  return lines
}
