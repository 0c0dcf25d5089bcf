/** How people who wait for an answer ask: everything that finds, with less time for reading again than a command may take. */
import type { RecallOptions } from '../protocol/types'

/**
 * Seconds that reading again may take before an answer or a list that somebody looks at: with them the first word comes within five
 * seconds on two cores (`longread bench editor`).
 */
const rerankSeconds = 1.5

export const promptly = {
  top: 24,
  signals: 'all',
  rerank: true,
  rarity: true,
  rerankSeconds,
} as const satisfies RecallOptions
