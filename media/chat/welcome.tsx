/** What an empty conversation shows: what this is, the one step that is missing, or questions to begin with. */
import type { SessionView } from '../../extension/protocol/chat'
import { send, useStrings } from './wiring'

export function Welcome({ session: { kind } }: { readonly session: SessionView }) {
  const strings = useStrings()
  const unread = kind === 'unread' || kind === 'no-model' || kind === 'none'
  return (
    <div class="welcome">
      <p>{unread ? strings.welcomeUnread : strings.welcome}</p>
      {unread && <p class="quiet">{strings.privacy}</p>}
      {kind === 'unread' && (
        <button type="button" class="primary" onClick={() => send({ type: 'run', command: 'read' })}>
          {strings.readNow}
        </button>
      )}
      {kind === 'no-model' && (
        <button type="button" class="primary" onClick={() => send({ type: 'run', command: 'downloadModel' })}>
          {strings.remedies.downloadModel}
        </button>
      )}
      {kind === 'none' && (
        <button type="button" class="primary" onClick={() => send({ type: 'run', command: 'openFolder' })}>
          {strings.remedies.openFolder}
        </button>
      )}
      {!unread && (
        <ul class="suggestions">
          {strings.examples.map((example) => (
            <li key={example}>
              <button type="button" onClick={() => send({ type: 'ask', text: example, mentions: [] })}>
                {example}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
