/** Small parts that others are made of. */
import type { Place } from '../../extension/protocol/types'
import type { Remedy } from '../../extension/protocol/chat'
import { send, useStrings } from './wiring'

interface IconButtonProps {
  readonly icon: string
  readonly label: string
  readonly onClick: () => void
  readonly disabled?: boolean
}

export const IconButton = ({ icon, label, onClick, disabled }: IconButtonProps) => (
  <button
    type="button"
    class={`icon codicon codicon-${icon}`}
    title={label}
    aria-label={label}
    onClick={onClick}
    disabled={disabled === true}
  />
)

export function RemedyButton({ remedy }: { readonly remedy: Remedy }) {
  const strings = useStrings()
  return (
    <button type="button" class="secondary" onClick={() => send({ type: 'run', command: remedy })}>
      {strings.remedies[remedy]}
    </button>
  )
}

export const lines = ({ startLine, endLine }: Place): string =>
  startLine === undefined
    ? ''
    : endLine === undefined || endLine === startLine
      ? `:${startLine}`
      : `:${startLine}-${endLine}`

/** A place that opens in the editor; with Alt, beside. The folder is told more quietly than the name. */
export function PlaceLink({ place, symbol }: { readonly place: Place; readonly symbol?: string }) {
  const cut = place.file.lastIndexOf('/') + 1
  return (
    <button
      type="button"
      class="place"
      title={`${place.file}${lines(place)}`}
      onClick={(event) => send({ type: 'open', place: plain(place), beside: event.altKey })}
    >
      <span class="folder">{place.file.slice(0, cut)}</span>
      <span class="name">{place.file.slice(cut)}</span>
      <span class="lines">{lines(place)}</span>
      {symbol && <span class="symbol">{symbol}</span>}
    </button>
  )
}

export const plain = ({ file, startLine, endLine }: Place): Place => ({
  file,
  ...(startLine === undefined ? {} : { startLine }),
  ...(endLine === undefined ? {} : { endLine }),
})
