/** Earlier chats of the workspace, over the panel: searched, opened, deleted. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ConversationSummary } from '../../extension/protocol/chat'
import { IconButton } from './parts'
import { send, useStrings } from './wiring'

interface HistoryProps {
  readonly conversations: readonly ConversationSummary[]
  readonly close: () => void
}

export function HistoryList({ conversations, close }: HistoryProps) {
  const strings = useStrings()
  const [search, setSearch] = useState('')
  const field = useRef<HTMLInputElement>(null)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
    field.current?.focus()
  }, [])
  return (
    <dialog ref={dialog} class="history" aria-label={strings.history} onClose={close}>
      <div class="row">
        <input
          ref={field}
          type="search"
          placeholder={strings.searchHistory}
          aria-label={strings.searchHistory}
          value={search}
          onInput={(event) => {
            setSearch(event.currentTarget.value)
            send({ type: 'searchHistory', text: event.currentTarget.value })
          }}
        />
        <IconButton icon="close" label={strings.close} onClick={() => dialog.current?.close()} />
      </div>
      {conversations.length === 0 && <p class="quiet">{strings.noHistory}</p>}
      <ul>
        {conversations.map(({ id, title, asked, excerpt }) => (
          <li key={id}>
            <button type="button" class="conversation" onClick={() => send({ type: 'load', conversation: id })}>
              <span class="title">{title}</span>
              <span class="when">
                {new Date(asked).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
              </span>
              {excerpt !== '' && <span class="excerpt">{excerpt}</span>}
            </button>
            <IconButton
              icon="trash"
              label={`${strings.remove}: ${title}`}
              onClick={() => send({ type: 'forget', conversation: id })}
            />
          </li>
        ))}
      </ul>
    </dialog>
  )
}
