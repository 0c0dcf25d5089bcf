/**
 * Random scores: what a figure is worth if nothing was found. Seeded, so that the table is the same at every run.
 */
import { randomFrom } from '../../../extension/recall/calibration/questions'
import type { Ranker, Ranking } from './ranker'

export const random: Ranker = {
  name: 'random',
  rank(questions, units): Promise<Ranking> {
    const next = randomFrom(questions.length * 7919 + units.length)
    const scores = questions.map(() => Float32Array.from(units, () => next()))
    return Promise.resolve({ scores, seconds: 0 })
  },
}
