/**
 * Words that the model holds near: `folder` for `directory`, `large` for `gigantic`. Taken from its own token embeddings, so that a
 * question finds code that says the same in other words. Vectors of the workspace's words are made once, 8 bits a number.
 *
 * Measured on the development repositories, all signals without rerank: unit MRR .537 without, .544 with; for questions that share no
 * word with their answer .030 and .087, and the answer is among the first 16 for 13 and for 28 of 100. Words' own counts half as much,
 * or nearer words only, gave less.
 *
 * Beside attention they count the more, the less of a question its own words can answer for (`kinGain`). On six development
 * repositories without their tests and documentation, mean unit / file MRR of all signals without rerank for 491 doc comments and for 54
 * questions that share no word with their answer: .550 / .819 and .104 / .329 without, .552 / .818 and .124 / .388 with it. Counted twice
 * for every question: .539 / .816 and .124 / .390; words alone lose by any of it (.450 to .435 / .715 to .703 for doc comments).
 * Less was gained by weighting all that words say: by how much of a question they can answer for (.540 to .549 / .810 to .821 and .087 to
 * .098 / .331 to .348), by how alike the rankings of attention and words are (.537 / .813 and .104 / .364), by how far the best unit stands
 * out (.545 / .814 and .114 / .352), or less for every question (a weight of .4: .552 / .826 and .104 / .359); by a limit on what words
 * give a unit, lower for what they cannot answer (.544 to .550 / .817 to .820 and .106 to .110 / .368 to .379; with the gain, no more
 * than the gain), or by one limit for all (.538 / .816 and .118 / .366), which costs questions that name code (.772 to .656 on three).
 */
import { cancellable } from '../engine/addon'
import type { Kin, LexicalIndex } from './lexical'
import type { LoadedModel } from './memory'
import { TokenList } from './token-list'
import { formOf } from './words'

/** Nearest words of each word, and the least cosine of them. */
const mostKin = 20
const leastLikeness = 0.2
/** How much more often the likeness of words counts where the question's own words answer for nothing. */
const mostGain = 2
/** Of each number of a vector of length 1; larger ones are cut. */
const scale = 254

/**
 * How often the likeness of near words counts, from 1 to 3. `coverage` is how much of the question its own words can answer for
 * (lexical.ts): about .1 for questions in other words than the code's, half of the gain; at .33, as for most doc comments, a tenth is left.
 */
export const kinGain = (coverage: number): number => 1 + mostGain * (1 - coverage) ** 6

/** Kin whose likeness counts `gain` times, at most like the word itself. */
export const nearer = (kin: readonly Kin[], gain: number): Kin[] =>
  kin.map(({ term, likeness }) => ({ term, likeness: Math.min(1, gain * likeness) }))

export class KinWords {
  private readonly placed = new Map<string, Int8Array>()

  constructor(private readonly loaded: Pick<LoadedModel, 'addon' | 'model'>) {}

  /** The kin of each of `terms` among the terms of `lexical`, nearest first. */
  async of(terms: Iterable<string>, lexical: LexicalIndex): Promise<ReadonlyMap<string, readonly Kin[]>> {
    const asked = [...new Set(terms)].filter(isWord)
    await this.place([...asked, ...lexical.vocabulary()])
    const found = new Map<string, Kin[]>(asked.map((term) => [term, []]))
    for (const [term, near] of found) {
      const own = this.placed.get(term)
      if (own === undefined) continue
      for (const other of lexical.vocabulary()) {
        const vector = other === term ? undefined : this.placed.get(other)
        const like = vector === undefined ? 0 : likeness(own, vector)
        if (like >= leastLikeness) near.push({ term: other, likeness: like })
      }
      found.set(term, near.sort((a, b) => b.likeness - a.likeness).slice(0, mostKin))
    }
    return found
  }

  private async place(terms: readonly string[]): Promise<void> {
    const { addon, model } = this.loaded
    const fresh = [...new Set(terms)].filter((term) => isWord(term) && !this.placed.has(term))
    if (fresh.length === 0) return
    const tokens = new TokenList()
    const counts = Uint32Array.from(fresh, (term) => {
      const own = model.tokenize(` ${formOf(term) ?? term}`, false)
      tokens.push(own)
      return own.length
    })
    const vectors = await cancellable(addon, undefined, () => model.wordVectors(tokens.whole(), counts))
    const size = vectors.length / fresh.length
    fresh.forEach((term, i) => {
      const vector = Int8Array.from(vectors.subarray(i * size, (i + 1) * size), (value) =>
        Math.max(-127, Math.min(127, Math.round(value * scale))),
      )
      this.placed.set(term, vector)
    })
  }
}

/** Numbers and whole identifiers have no kin. */
const isWord = (term: string): boolean => /^\p{L}{2,24}$/u.test(term) && formOf(term) !== undefined

function likeness(a: Int8Array, b: Int8Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum / (scale * scale)
}
