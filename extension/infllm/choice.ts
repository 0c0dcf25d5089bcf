/**
 * Where answers come from: units found and read afresh, or keys and values of everything that was read (InfLLM). Left open, it is the
 * way by which the model answered more of 40 constants planted in a repository (`longread bench facts`, with `--reading memory` for
 * the other); of a model that nobody measured, units are read afresh.
 */
import type { AnsweredFrom, AskRequest, MemoryReading } from '../protocol/types'
import type { Profile } from '../recall/profile'

/**
 * What `--reading memory` means by itself. SmolLM2-135M, 40 constants planted in 145,010 tokens of code, a window of 1,024 tokens, on a
 * GPU: 8 were answered where recall chose the units, 2 where the layers did together and 1 where each did for itself; 37 from units
 * read afresh.
 */
export const usualReading: MemoryReading = {
  units: 'code',
  choose: 'recall',
  lookUps: 'each',
  twice: false,
  parameters: {},
}

/** What a person says: `auto` leaves it open. */
export type AnsweringWay = 'auto' | 'afresh' | 'memory'

/** What a request holds of it. */
export function readingBy(way: AnsweringWay): Pick<AskRequest, 'reading'> {
  if (way === 'auto') return {}
  return { reading: way === 'memory' ? usualReading : way }
}

export interface Chosen {
  /** Undefined: units are read afresh. */
  readonly reading: MemoryReading | undefined
  readonly from: AnsweredFrom
}

export function chooseReading(asked: AskRequest['reading'], { answered }: Pick<Profile, 'answered'>): Chosen {
  const figures = answered ? { figures: answered } : {}
  if (asked === undefined) {
    const memory = answered !== undefined && answered.memory > answered.afresh
    return { reading: memory ? usualReading : undefined, from: { way: memory ? 'memory' : 'afresh', ...figures } }
  }
  const reading = asked === 'afresh' ? undefined : asked
  return { reading, from: { way: reading ? 'memory' : 'afresh', asked: true, ...figures } }
}

/** Why an answer came from there, in English. */
export function describeWay({ way, asked = false, figures }: AnsweredFrom): string {
  const what = way === 'memory' ? 'from keys and values of all that was read' : 'from units found and read afresh'
  const why = asked ? ', as asked' : ''
  if (!figures) return `Answered ${what}${why}; nobody measured which way this model answers better.`
  const { afresh, memory, of } = figures
  return `Answered ${what}${why}. Of ${String(of)} planted constants this model answered ${String(afresh)} from units read afresh, ${String(memory)} from memory.`
}
