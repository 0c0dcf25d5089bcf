/** The input: grows with its text, sends with Enter, completes what `@` points at, stops an answer. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Mention } from '../../extension/protocol/chat'
import { typedMention, type PanelState } from './state'
import { keep, kept, send, useStrings } from './wiring'

const icons: Readonly<Record<Mention['kind'], string>> = {
  file: 'file',
  folder: 'folder',
  symbol: 'symbol-method',
  selection: 'list-selection',
}

export function Composer({ state, running }: { readonly state: PanelState; readonly running: boolean }) {
  const strings = useStrings()
  const area = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(() => kept().text)
  const [mentions, setMentions] = useState<readonly Mention[]>([])
  /** Counts what was asked for, so that late completions of other texts are not shown. */
  const asked = useRef(0)
  const [typing, setTyping] = useState<ReturnType<typeof typedMention>>(undefined)
  const [chosen, setChosen] = useState(0)

  const change = (value: string) => {
    setText(value)
    keep({ text: value })
  }
  useEffect(() => {
    const { draft } = state
    if (draft.count === 0) return
    change(draft.text)
    setMentions(draft.mentions)
  }, [state.draft.count])
  useEffect(() => {
    if (state.focus > 0) area.current?.focus()
  }, [state.focus])
  useEffect(() => {
    const { current } = area
    if (!current) return
    current.style.height = 'auto'
    current.style.height = `${Math.min(current.scrollHeight + 2, 240)}px`
  }, [text])

  const look = () => {
    const { current } = area
    const found = current ? typedMention(current.value, current.selectionStart) : undefined
    setTyping(found)
    setChosen(0)
    if (found) send({ type: 'complete', id: ++asked.current, text: found.typed })
  }
  const offered = typing && state.mentions.id === asked.current ? state.mentions.items : []
  const accept = (mention: Mention) => {
    if (!typing) return
    const before = text.slice(0, typing.from)
    const after = text.slice(typing.from + 1 + typing.typed.length)
    const inserted = `${before}@${mention.label} `
    change(inserted + after.trimStart())
    setMentions([...mentions.filter(({ label }) => label !== mention.label), mention])
    setTyping(undefined)
    requestAnimationFrame(() => {
      area.current?.focus()
      area.current?.setSelectionRange(inserted.length, inserted.length)
    })
  }
  const submit = () => {
    if (text.trim() === '') return
    send({ type: 'ask', text: text.trim(), mentions: mentions.filter(({ label }) => text.includes(`@${label}`)) })
    change('')
    setMentions([])
    setTyping(undefined)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return
    if (offered.length > 0) {
      const move = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
      if (move !== 0) {
        event.preventDefault()
        setChosen((chosen + move + offered.length) % offered.length)
        return
      }
      const mention = offered[chosen]
      if ((event.key === 'Enter' || event.key === 'Tab') && mention) {
        event.preventDefault()
        accept(mention)
        return
      }
    }
    if (event.key === 'Escape') {
      if (typing) setTyping(undefined)
      else if (running) send({ type: 'stop' })
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      if (!running) submit()
    }
  }
  return (
    <section class="composer" aria-label={strings.compose}>
      {offered.length > 0 && <Offered items={offered} chosen={chosen} accept={accept} />}
      <div class="input">
        <textarea
          ref={area}
          rows={2}
          value={text}
          placeholder={strings.placeholder}
          aria-label={strings.placeholder}
          aria-autocomplete="list"
          aria-controls={offered.length > 0 ? 'mentions' : undefined}
          aria-activedescendant={offered.length > 0 ? `mention-${chosen}` : undefined}
          onInput={(event) => {
            change(event.currentTarget.value)
            look()
          }}
          onClick={look}
          onKeyDown={onKeyDown}
        />
        {running ? (
          <button
            type="button"
            class="icon codicon codicon-debug-stop"
            title={strings.stop}
            aria-label={strings.stop}
            onClick={() => send({ type: 'stop' })}
          />
        ) : (
          <button
            type="button"
            class="icon codicon codicon-send"
            title={strings.send}
            aria-label={strings.send}
            onClick={submit}
            disabled={text.trim() === ''}
          />
        )}
      </div>
    </section>
  )
}

interface OfferedProps {
  readonly items: readonly Mention[]
  readonly chosen: number
  readonly accept: (mention: Mention) => void
}

function Offered({ items, chosen, accept }: OfferedProps) {
  const strings = useStrings()
  return (
    <ul id="mentions" class="mentions" role="listbox" aria-label={strings.mentions}>
      {items.map((mention, i) => (
        <li
          key={`${mention.kind} ${mention.file} ${mention.label}`}
          id={`mention-${i}`}
          role="option"
          aria-selected={i === chosen}
          // Before the input loses the focus.
          onMouseDown={(event) => {
            event.preventDefault()
            accept(mention)
          }}
        >
          <span class={`codicon codicon-${icons[mention.kind]}`} aria-hidden="true" />
          <span class="mention-label">{mention.kind === 'selection' ? strings.selection : mention.label}</span>
          {(mention.kind === 'symbol' || mention.kind === 'selection') && (
            <span class="mention-file">{mention.file}</span>
          )}
        </li>
      ))}
    </ul>
  )
}
