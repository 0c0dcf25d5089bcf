/**
 * Plants constants in a repository, each in a Python file of its own: a line such as `INVOICE_RETRY_LIMIT = 48213` between two
 * top-level statements. Its question has the words of the name and not the identifier.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { Grammars } from '../../../extension/workspace/parser'
import { randomFrom, sample } from '../../../extension/recall/calibration/questions'

export interface Fact {
  readonly name: string
  /** Five digits. */
  readonly value: string
  readonly question: string
  /** Relative to the root, with forward slashes. */
  readonly file: string
  /** 1-based. */
  readonly line: number
}

/** No first word twice, so that no two facts have more than what they are about in common. */
const firstWords =
  'invoice parcel harbor telescope voucher orchard elevator passport violin glacier tractor museum ferry lantern pension ' +
  'compost stadium quarry beacon turbine pharmacy bakery railway saddle canyon reservoir printer satellite vineyard ' +
  'aquarium ballot carousel diary falcon gallery hostel journal kettle lighthouse mosaic notary opera piano quilt ribbon ' +
  'sawmill trolley umbrella wallet yacht'
const middleWords = 'retry backup refund queue delivery renewal inspection archive transfer warning storage approval'
const qualifiers = 'daily maximum regional manual initial winter'
const lastWords = 'limit delay budget threshold quota capacity interval deadline'

export const mostFacts = firstWords.split(' ').length

interface Named {
  readonly words: readonly string[]
  readonly value: string
}

/** The names and values of a seed; half of the names have three words, half four. */
export function chooseNames(count: number, seed: number): Named[] {
  const random = randomFrom(seed)
  const one = (words: string): string => {
    const all = words.split(' ')
    return all[Math.floor(random() * all.length)]!
  }
  return sample(firstWords.split(' '), count, seed).map((first, index) => ({
    words: [first, ...(index % 2 === 0 ? [] : [one(qualifiers)]), one(middleWords), one(lastWords)],
    value: String(10000 + Math.floor(random() * 90000)),
  }))
}

/** Lines (0-based) before which a statement can be put at the top level: each lies between two statements. */
export async function placesIn(text: string, grammars: Grammars): Promise<number[]> {
  const places = await grammars.withTree(
    'python',
    text,
    ({ tree: { rootNode } }) => {
      if (rootNode.hasError) return []
      const found: number[] = []
      let after = -1
      for (const child of rootNode.namedChildren) {
        const { startPosition, endPosition } = child
        if (after >= 0 && startPosition.row >= after && startPosition.column === 0) found.push(after)
        after = Math.max(after, endPosition.column === 0 ? endPosition.row : endPosition.row + 1)
      }
      return found
    },
    () => undefined,
  )
  return places ?? []
}

async function pythonFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.py'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .toSorted()
}

/** Changes the files of `root`. The same seed and the same files give the same facts. */
export async function plant(root: string, count: number, seed: number): Promise<Fact[]> {
  const grammars = new Grammars()
  const candidates: { file: string; text: string; places: readonly number[] }[] = []
  for (const file of await pythonFiles(root)) {
    const text = await readFile(path.join(root, file), 'utf8')
    const places = await placesIn(text, grammars)
    if (places.length > 0) candidates.push({ file, text, places })
  }
  if (candidates.length < count)
    throw new Error(`${count} facts need as many Python files; only ${candidates.length} have a place for one.`)
  const random = randomFrom(seed + 1)
  const names = chooseNames(count, seed)
  const facts: Fact[] = []
  for (const [index, { file, text, places }] of sample(candidates, count, seed).entries()) {
    const { words, value } = names[index]!
    const place = places[Math.floor(random() * places.length)]!
    const name = words.join('_').toUpperCase()
    const lines = text.split('\n')
    lines.splice(place, 0, '', `${name} = ${value}`)
    await writeFile(path.join(root, file), lines.join('\n'))
    facts.push({ name, value, question: `What is the ${words.join(' ')}?`, file, line: place + 2 })
  }
  return facts
}
