/** Why these places: each unit with its score by signal, the words that found it, its lines by heat, and whether it was read. */
import type { FoundUnit } from '../../extension/protocol/chat'
import { PlaceLink } from './parts'
import { fill } from './state'
import { send, useStrings } from './wiring'

interface WhyProps {
  readonly turn: string
  readonly found: readonly FoundUnit[]
  readonly meant: string | undefined
}

export function Why({ turn, found, meant }: WhyProps) {
  const strings = useStrings()
  const read = found.filter((unit) => unit.read).length
  return (
    <details class="why">
      <summary>
        {strings.why} <span class="count">{fill(strings.whySummary, read, found.length)}</span>
      </summary>
      {meant !== undefined && <p class="quiet">{fill(strings.meant, meant)}</p>}
      <div class="row">
        <button type="button" class="secondary" onClick={() => send({ type: 'highlight', turn })}>
          {strings.highlight}
        </button>
      </div>
      <ol class="found">
        {found.map((unit) => (
          <li key={`${unit.file}:${unit.startLine}`}>
            <Unit unit={unit} best={found[0]?.score ?? 1} />
          </li>
        ))}
      </ol>
    </details>
  )
}

function Unit({ unit, best }: { readonly unit: FoundUnit; readonly best: number }) {
  const strings = useStrings()
  const signals = [
    [strings.attention, unit.attention],
    [strings.lexical, unit.lexical],
    [strings.rerank, unit.rerank],
  ] as const
  return (
    <div class="unit">
      <div class="unit-head">
        <PlaceLink place={unit} symbol={unit.symbol} />
        {unit.read && <span class="badge">{strings.read}</span>}
      </div>
      <div class="signals">
        <Bar label={strings.score} value={unit.score} most={best} strong />
        {signals.map(
          ([label, value]) => value !== undefined && <Bar key={label} label={label} value={value} most={8} />,
        )}
      </div>
      <div class="strip" aria-hidden="true">
        {unit.heat.map((heat, i) => (
          <span key={i} style={{ opacity: 0.08 + 0.92 * heat }} />
        ))}
      </div>
      {unit.foundBy.length > 0 && (
        <p class="words">
          {strings.foundBy}{' '}
          {unit.foundBy.slice(0, 5).map(({ word, share }) => (
            <span key={word} class="word">
              {word} {Math.round(share * 100)} %
            </span>
          ))}
        </p>
      )}
      {unit.lines.length > 0 && (
        <ul class="hot-lines">
          {unit.lines.map(({ line, text, words }) => (
            <li key={line}>
              <button
                type="button"
                title={words.join(', ')}
                onClick={() =>
                  send({ type: 'open', place: { file: unit.file, startLine: line, endLine: line }, beside: false })
                }
              >
                <span class="line-number">{line}</span> <code>{text}</code>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

interface BarProps {
  readonly label: string
  readonly value: number
  readonly most: number
  readonly strong?: boolean
}

const Bar = ({ label, value, most, strong }: BarProps) => (
  <div class={strong ? 'signal strong' : 'signal'}>
    <span class="signal-label">{label}</span>
    <span class="signal-bar" aria-hidden="true">
      <span style={{ width: `${Math.max(0, Math.min(100, (100 * value) / (most || 1)))}%` }} />
    </span>
    <span class="signal-value">{value.toFixed(1)}</span>
  </div>
)
