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
import { cancellable, type NativeWords } from '../engine/addon'
import type { Kin, LexicalIndex } from './lexical'
import type { LoadedModel } from './loaded'
import { formOf, formsKnown } from './words'

/** Nearest words of each word, and the least cosine of them. */
const mostKin = 20
const leastLikeness = 0.2
/** How much more often the likeness of words counts where the question's own words answer for nothing. */
const mostGain = 2
/** Terms of a vocabulary that are looked at in one go beside other work: some tens of milliseconds. */
const placedAtOnce = 2048
/** Terms whose kin are kept for the next questions. */
const mostFound = 4096
/** Of each number of a vector of length 1 (native/recall/word-list.h). */
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
  private readonly words: NativeWords
  /** The native list's words by term, and the other way round. */
  private readonly placed = new Map<string, number>()
  private readonly terms: string[] = []
  /** How many of the vocabulary's terms were looked at; those that were no words then, and when. */
  private looked = 0
  private others: string[] = []
  private formsThen = 0
  /** Of the native list's words, their places in the vocabulary; -1 where they do not occur. As of that version. */
  private places = new Int32Array()
  private placesOf: { readonly lexical: LexicalIndex; readonly version: number } | undefined
  /** The kin of terms that were asked for, as of that version. */
  private readonly found = new Map<string, readonly Kin[]>()
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly loaded: Pick<LoadedModel, 'addon' | 'model' | 'threads'>) {
    this.words = new loaded.addon.Words(loaded.model)
  }

  /** The kin of each of `terms` among the terms of `lexical`, nearest first. */
  of(terms: Iterable<string>, lexical: LexicalIndex): Promise<ReadonlyMap<string, readonly Kin[]>> {
    const asked = [...new Set(terms)].filter(isWord)
    return this.alone(async () => {
      await this.look(lexical, asked, Infinity)
      const fresh = asked.filter((term) => !this.found.has(term) && this.placed.has(term))
      const rows = Int32Array.from(fresh, (term) => this.placed.get(term) ?? 0)
      if (fresh.length > 0) {
        const near = await this.words.near(rows, this.places, leastLikeness, mostKin, this.loaded.threads)
        if (this.found.size > mostFound) this.found.clear()
        fresh.forEach((term, i) => this.found.set(term, this.kinOf(near[i] ?? new Int32Array())))
      }
      return new Map(asked.map((term) => [term, this.found.get(term) ?? []]))
    })
  }

  /**
   * Places some of the words of `lexical` that are not placed yet, for which the first question would else wait. Gives whether there are
   * more.
   */
  placeSome(lexical: LexicalIndex): Promise<boolean> {
    return this.alone(async () => {
      await this.look(lexical, [], placedAtOnce)
      return this.looked < lexical.vocabulary().length
    })
  }

  /** One after the other: the native list has its words in the order in which they are placed here. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work)
    this.last = done.catch(() => undefined)
    return done
  }

  private async look(lexical: LexicalIndex, also: readonly string[], most: number): Promise<void> {
    const { version } = lexical
    const known = this.placesOf?.lexical === lexical && this.placesOf.version === version
    if (this.placesOf && this.placesOf.lexical !== lexical) this.looked = 0
    const all = lexical.vocabulary()
    const forms = formsKnown()
    const fresh = new Set(also)
    if (forms !== this.formsThen) for (const term of this.others) fresh.add(term)
    const end = Math.min(all.length, this.looked + most)
    for (let number = this.looked; number < end; number++) fresh.add(all[number] ?? '')
    this.looked = end
    this.formsThen = forms
    const added = await this.place([...fresh])
    const others = new Set(this.others)
    for (const term of fresh) if (!this.placed.has(term) && lettersOnly.test(term)) others.add(term)
    this.others = [...others].filter((term) => !this.placed.has(term))
    if (known && added === 0) return
    this.places = Int32Array.from(this.terms, (term) => {
      const number = lexical.number(term)
      return number !== undefined && lexical.occurrences(number) > 0 ? number : -1
    })
    this.placesOf = { lexical, version }
    this.found.clear()
  }

  private kinOf(near: Int32Array): Kin[] {
    const kin: Kin[] = []
    for (let i = 0; i < near.length; i += 2)
      kin.push({ term: this.terms[near[i] ?? 0] ?? '', likeness: (near[i + 1] ?? 0) / (scale * scale) })
    return kin
  }

  /** Gives how many of them are new words. */
  private async place(terms: readonly string[]): Promise<number> {
    const { model } = this.loaded
    const fresh = terms.filter((term) => isWord(term) && !this.placed.has(term))
    if (fresh.length === 0) return 0
    const texts = fresh.map((term) => ` ${formOf(term) ?? term}`)
    const { tokens, counts } = await model.tokenizeMany(texts, false)
    await cancellable(this.loaded.addon, undefined, () => this.words.add(tokens, counts))
    for (const term of fresh) {
      this.placed.set(term, this.terms.length)
      this.terms.push(term)
    }
    return fresh.length
  }
}

const lettersOnly = /^\p{L}{2,24}$/u

/** Numbers and whole identifiers have no kin. */
const isWord = (term: string): boolean => lettersOnly.test(term) && formOf(term) !== undefined
