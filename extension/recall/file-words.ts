/**
 * The words that the units of a file write, each counted once for every unit. Files are read by the thousand, and most of their words come
 * again and again: whatever is done with words is done once for each that a file has.
 */
import { identifiers } from './words'

export interface FileWords {
  /** Identifiers and numbers as they are written, each once, in the order in which they first come. */
  readonly words: readonly string[]
  /** Numbers of words with how often a text writes them, pairs; in a text in the order in which they first come, one text after the other. */
  readonly counts: Uint32Array
  /** Where each text's pairs end. */
  readonly ends: Uint32Array
}

export function countWords(texts: readonly string[]): FileWords {
  const numbers = new Map<string, number>()
  const words: string[] = []
  const counts: number[] = []
  // By a word's number: where the pair of the text that wrote it last stands.
  const places: number[] = []
  const ends = Uint32Array.from(texts, (text) => {
    const first = counts.length
    for (const word of identifiers(text)) {
      let number = numbers.get(word)
      if (number === undefined) {
        numbers.set(word, (number = words.length))
        words.push(word)
        places.push(-1)
      }
      const place = places[number] ?? -1
      if (place >= first) counts[place + 1] = (counts[place + 1] ?? 0) + 1
      else {
        places[number] = counts.length
        counts.push(number, 1)
      }
    }
    return counts.length
  })
  return { words, counts: Uint32Array.from(counts), ends }
}
