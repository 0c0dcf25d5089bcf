/** The head of the panel: where reading stands, what can be done about it, and what is held and was left out. */
import type { Coverage, SessionView } from '../../extension/protocol/chat'
import { RemedyButton } from './parts'
import { fill } from './state'
import { send, useStrings } from './wiring'

const icons: Readonly<Record<SessionView['kind'], string>> = {
  none: 'folder',
  unread: 'book',
  'no-model': 'warning',
  reading: 'sync codicon-modifier-spin',
  paused: 'debug-pause',
  ready: 'check',
  stale: 'sync',
  failed: 'error',
}

export function Session({ session }: { readonly session: SessionView }) {
  const strings = useStrings()
  const { kind, text, folder, percent, coverage, remedy } = session
  const line = (
    <>
      <span class={`codicon codicon-${icons[kind]}`} aria-hidden="true" />
      {folder && <span class="folder-name">{folder}</span>}
      <span class="session-text">{text}</span>
    </>
  )
  return (
    <header class={`session ${kind}`}>
      {coverage ? (
        <details class="coverage">
          <summary title={strings.coverage}>
            {line}
            <span class="codicon codicon-chevron-right chevron" aria-hidden="true" />
          </summary>
          <CoverageList coverage={coverage} />
        </details>
      ) : (
        <p class="session-line">{line}</p>
      )}
      {percent !== undefined && <progress max={100} value={percent} aria-label={text} />}
      <SessionActions session={session} />
      {remedy && kind === 'failed' && <RemedyButton remedy={remedy} />}
    </header>
  )
}

function SessionActions({ session: { kind, coverage } }: { readonly session: SessionView }) {
  const strings = useStrings()
  if (kind === 'reading' && !coverage)
    return (
      <button type="button" class="secondary" onClick={() => send({ type: 'run', command: 'pause' })}>
        {strings.pause}
      </button>
    )
  if (kind === 'paused')
    return (
      <button type="button" class="secondary" onClick={() => send({ type: 'run', command: 'read' })}>
        {strings.resume}
      </button>
    )
  return null
}

function CoverageList({ coverage: { files, units, tokens, bytes, leftOut } }: { readonly coverage: Coverage }) {
  const strings = useStrings()
  const left = leftOut.reduce((sum, { count }) => sum + count, 0)
  const whole = files + left
  return (
    <div class="coverage-list">
      <div class="meter" aria-hidden="true">
        <span class="meter-held" style={{ flexGrow: files }} />
        <span class="meter-left" style={{ flexGrow: whole === 0 ? 1 : left }} />
      </div>
      <p>
        {fill(
          strings.coverageText,
          files.toLocaleString(),
          units.toLocaleString(),
          tokens.toLocaleString(),
          (bytes / 1e6).toFixed(1),
        )}
      </p>
      <p>{left === 0 ? strings.nothingLeftOut : fill(strings.leftOut, left.toLocaleString())}</p>
      {leftOut.map(({ reason, count, files: named }) => (
        <details key={reason} class="reason">
          <summary>
            {reason} <span class="count">{count.toLocaleString()}</span>
          </summary>
          <ul>
            {named.map((file) => (
              <li key={file}>{file}</li>
            ))}
            {count > named.length && (
              <li class="more">{fill(strings.more, (count - named.length).toLocaleString())}</li>
            )}
          </ul>
        </details>
      ))}
    </div>
  )
}
