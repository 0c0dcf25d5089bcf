/** The panel's page: takes the host's messages into one state, draws it, and sends what a person does back. */
import { render } from 'preact'
import { useEffect, useReducer } from 'preact/hooks'
import type { ToChat } from '../../extension/protocol/chat'
import type { ChatStrings } from '../../extension/protocol/chat-strings'
import { Composer } from './composer'
import { HistoryList } from './history'
import { Session } from './session'
import { initial, reduce } from './state'
import { Announcer, TurnView } from './turn'
import { send, Strings } from './wiring'
import { Welcome } from './welcome'
import './style.css'

function Panel({ strings }: { readonly strings: ChatStrings }) {
  const [state, dispatch] = useReducer(reduce, initial)
  useEffect(() => {
    const receive = (event: MessageEvent) => dispatch(event.data as ToChat)
    window.addEventListener('message', receive)
    send({ type: 'ready' })
    return () => window.removeEventListener('message', receive)
  }, [])
  const { conversation, session, doing, history } = state
  const last = conversation.turns.at(-1)
  const running = last?.state === 'running'
  useFollowing(conversation.turns)
  return (
    <Strings.Provider value={strings}>
      <div class="panel" aria-busy={!state.known}>
        <Session session={session} />
        <main class="turns" id="turns" aria-label={strings.title}>
          <h1 class="heard">{strings.title}</h1>
          {state.known && conversation.turns.length === 0 && <Welcome session={session} />}
          {conversation.turns.map((turn) => (
            <TurnView
              key={turn.id}
              turn={turn}
              doing={doing?.turn === turn.id ? doing.text : undefined}
              last={turn === last}
              idle={!running}
            />
          ))}
        </main>
        <Announcer turn={last} />
        <Composer state={state} running={running} />
        {history && <HistoryList conversations={history} close={() => dispatch({ type: 'closeHistory' })} />}
      </div>
    </Strings.Provider>
  )
}

/** Keeps the end of a growing answer in sight, unless one has scrolled away from it. */
function useFollowing(turns: readonly unknown[]): void {
  useEffect(() => {
    const list = document.getElementById('turns')
    if (list && list.scrollHeight - list.scrollTop - list.clientHeight < 160) list.scrollTop = list.scrollHeight
  }, [turns])
}

const root = document.getElementById('chat')
if (root) render(<Panel strings={JSON.parse(root.dataset['strings'] ?? '{}') as ChatStrings} />, root)
