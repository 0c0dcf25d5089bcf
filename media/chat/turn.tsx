/** One question and its answer: streamed Markdown with citations, what went wrong, what was found and why, what to ask next. */
import DOMPurify from 'dompurify'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { CodeAction, PlacedCitation, Turn, TurnResult } from '../../extension/protocol/chat'
import { allowed, markdown, numbersOf } from './markdown'
import { IconButton, PlaceLink, plain, RemedyButton } from './parts'
import { fill } from './state'
import { Why } from './why'
import { send, useStrings } from './wiring'

interface TurnProps {
  readonly turn: Turn
  /** What is done before the first word. */
  readonly doing: string | undefined
  readonly last: boolean
  /** Nothing is being answered. */
  readonly idle: boolean
}

export function TurnView({ turn, doing, last, idle }: TurnProps) {
  const strings = useStrings()
  const { state, answer, result, error } = turn
  const running = state === 'running'
  return (
    <article class="turn">
      <Question turn={turn} idle={idle} />
      <div class="answer" aria-busy={running}>
        {answer !== '' && <Answer answer={answer} citations={result?.citations ?? []} />}
        {running && answer === '' && (
          <p class="doing">
            <span class="codicon codicon-loading codicon-modifier-spin" aria-hidden="true" /> {doing ?? strings.working}
          </p>
        )}
        {state === 'stopped' && <p class="quiet">{strings.stopped}</p>}
        {error && (
          <div class="error" role="alert">
            <p>{error.message}</p>
            {error.remedy && <RemedyButton remedy={error.remedy} />}
          </div>
        )}
        {result && <Sources result={result} />}
        {!running && (
          <div class="actions">
            <IconButton
              icon="copy"
              label={strings.copyAnswer}
              onClick={() => send({ type: 'copyAnswer', turn: turn.id })}
              disabled={answer === ''}
            />
            <IconButton
              icon="refresh"
              label={strings.regenerate}
              onClick={() => send({ type: 'regenerate', turn: turn.id })}
              disabled={!idle}
            />
            {result && (
              <span class="timing">{fill(strings.timing, seconds(result.recallMs), seconds(result.firstTokenMs))}</span>
            )}
          </div>
        )}
        {result?.partial && <p class="quiet">{strings.partial}</p>}
        {last && idle && result && result.followUps.length > 0 && <FollowUps texts={result.followUps} />}
        {result && result.found.length > 0 && <Why turn={turn.id} found={result.found} meant={result.meant} />}
      </div>
    </article>
  )
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1)

function Question({ turn, idle }: { readonly turn: Turn; readonly idle: boolean }) {
  const strings = useStrings()
  const [draft, setDraft] = useState<string | undefined>(undefined)
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    if (draft !== undefined) area.current?.focus()
  }, [draft === undefined])
  if (draft === undefined)
    return (
      <div class="question">
        <h2>{turn.question}</h2>
        <IconButton icon="edit" label={strings.edit} onClick={() => setDraft(turn.question)} disabled={!idle} />
      </div>
    )
  const again = () => {
    if (draft.trim() === '') return
    const mentions = turn.mentions.filter(({ label }) => draft.includes(`@${label}`))
    send({ type: 'edit', turn: turn.id, text: draft, mentions })
    setDraft(undefined)
  }
  return (
    <div class="question editing">
      <textarea
        ref={area}
        aria-label={strings.edit}
        value={draft}
        rows={2}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setDraft(undefined)
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault()
            again()
          }
        }}
      />
      <div class="row">
        <button type="button" class="primary" onClick={again}>
          {strings.send}
        </button>
        <button type="button" class="secondary" onClick={() => setDraft(undefined)}>
          {strings.cancel}
        </button>
      </div>
    </div>
  )
}

function Answer({ answer, citations }: { readonly answer: string; readonly citations: readonly PlacedCitation[] }) {
  const strings = useStrings()
  const numbers = useMemo(() => numbersOf(citations), [citations])
  const html = useMemo(() => {
    const cite = (number: number) => {
      const citation = citations[numbers.indexOf(number)]
      return fill(strings.cite, number, citation?.file ?? '', fill(strings.line, citation?.startLine ?? 0))
    }
    const labels = { copy: strings.copy, insert: strings.insert, apply: strings.apply, cite }
    return DOMPurify.sanitize(markdown(answer, citations, numbers, labels), allowed)
  }, [answer, citations])
  const click = (event: MouseEvent) => {
    const target = event.target instanceof Element ? event.target.closest('button') : null
    if (!target) return
    const citation = citations[Number(target.dataset['cite'] ?? -1)]
    if (citation) send({ type: 'open', place: plain(citation), beside: event.altKey })
    const action = target.dataset['code'] as CodeAction | undefined
    const text = target.closest('.code')?.querySelector('code')?.textContent
    if (action && text) send({ type: 'code', action, text })
  }
  return <div class="markdown" onClick={click} dangerouslySetInnerHTML={{ __html: html }} />
}

/** The places that the answer cites, by their numbers. */
function Sources({ result: { citations } }: { readonly result: TurnResult }) {
  const numbers = numbersOf(citations)
  const first = citations.filter((_, i) => numbers.indexOf(numbers[i] ?? 0) === i)
  if (first.length === 0) return null
  return (
    <ol class="sources">
      {first.map((citation) => (
        <li key={`${citation.file}:${citation.startLine}`}>
          <PlaceLink place={citation} symbol={citation.symbol} />
        </li>
      ))}
    </ol>
  )
}

function FollowUps({ texts }: { readonly texts: readonly string[] }) {
  const strings = useStrings()
  return (
    <nav aria-label={strings.followUps}>
      <ul class="suggestions">
        {texts.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => send({ type: 'ask', text, mentions: [] })}>
              {text.replaceAll('`', '')}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Says the answer to those who do not see it: whole sentences as they come, not every piece of a word. */
export function Announcer({ turn }: { readonly turn: Turn | undefined }) {
  const strings = useStrings()
  let text = ''
  if (turn?.state === 'running') text = /^[\s\S]*[.!?\n](?=\s|$)/.exec(turn.answer)?.[0] ?? strings.working
  else if (turn?.state === 'stopped') text = strings.stopped
  else if (turn) text = turn.error?.message ?? turn.answer
  return (
    <div class="heard" role="status" aria-live="polite">
      {text}
    </div>
  )
}
