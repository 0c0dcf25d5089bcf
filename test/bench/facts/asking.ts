/** The request that `longread ask` makes without options, so that benches cannot drift from the command. */
import { Command } from 'commander'
import { addAsking } from '../../../extension/cli/asking'
import { recallPart, streamRequest, type RecallFlags } from '../../../extension/cli/options'
import type { AskRequest } from '../../../extension/protocol/types'

interface AskDefaults extends RecallFlags {
  readonly temperature: number
  readonly topP: number
  readonly seed: number
  readonly maxTokens: number
  readonly readingTokens: number
}

/** Everything but the question. */
export async function defaultAsk(
  root: string,
  memory: string | null,
  threads: number,
  device?: AskRequest['device'],
): Promise<AskRequest> {
  const program = new Command()
  addAsking(program)
  const command = program.commands.find((one) => one.name() === 'ask')
  if (command === undefined) throw new Error('There is no command ask.')
  const flags = command.opts<AskDefaults>()
  const { temperature, topP, seed, maxTokens, readingTokens } = flags
  return {
    ...(await streamRequest(root, { ...flags, threads, ...(device ? { device } : {}) })),
    ...recallPart(flags),
    memory,
    question: '',
    readingTokens,
    sampling: { temperature, topP, seed, maxTokens },
  }
}
