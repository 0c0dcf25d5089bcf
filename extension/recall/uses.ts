/**
 * Who uses what: a unit is a neighbour of each definition whose name it writes. Names that more than a few units define (`get`,
 * `__init__`) say nothing about who is meant and make no neighbours. Words do for calls and imports alike, in every language.
 */
import type { UnitReference } from '../protocol/types'
import { countWords, type FileWords } from './file-words'
import { isCode } from './standing'
import { isName } from './words'

/** Shorter names are everyday words. */
const shortestName = 4
/** A name that more units define than this is ambiguous. */
const mostDefiners = 3

export interface Uses {
  /** Unit `from[i]` writes the name of what unit `to[i]` defines; some pairs come more than once. Indices into the units asked for. */
  readonly from: Uint32Array
  readonly to: Uint32Array
}

/** A file's units, numbered as they come. */
interface FileNames {
  /** Number of its first unit. */
  readonly first: number
  /** Names written in each unit, as numbers. */
  readonly written: readonly Uint32Array[]
  /** Names that each unit defines. */
  readonly defined: readonly (readonly number[])[]
}

/** Who writes a name and who defines it: units by their numbers, those that have gone among them. */
interface Name {
  readonly users: number[]
  readonly definers: number[]
}

/** Numbers of units that have gone are given up when they are as many as the others, and at least so many. */
const mostGone = 1024

export class UseIndex {
  private readonly files = new Map<string, FileNames>()
  private readonly numbers = new Map<string, number>()
  private names: Name[] = []
  /** Names that anything defines or defined. */
  private defined = new Set<number>()
  /** Units that were numbered, and those of them that are there. */
  private numbered = 0
  private units = 0
  private known: { readonly of: readonly string[]; readonly uses: Uses } | undefined

  /** Adds or replaces a file; `texts` are its units', or their words, counted before. */
  put(file: string, units: readonly UnitReference[], texts: readonly string[] | FileWords): void {
    this.remove(file)
    const { words, counts, ends } = 'words' in texts ? texts : countWords(texts)
    // By the word's number in the file: the name's; of what is no name, undefined.
    const numbers = words.map((word) => (isName(word, shortestName) ? this.number(word) : undefined))
    let at = 0
    const written = Array.from(ends, (end) => {
      const names: number[] = []
      for (; at < end; at += 2) {
        const number = numbers[counts[at] ?? 0]
        if (number !== undefined) names.push(number)
      }
      return Uint32Array.from(names)
    })
    const code = isCode(file)
    const defined = units.map(({ kind, symbol }) =>
      code && (kind === 'function' || kind === 'method' || kind === 'class')
        ? namesOf(symbol).map((name) => this.number(name))
        : [],
    )
    this.add(file, { first: this.numbered, written, defined })
    this.units += written.length
  }

  remove(file: string): void {
    this.known = undefined
    const held = this.files.get(file)
    if (!held) return
    this.files.delete(file)
    this.units -= held.written.length
    if (this.numbered > 2 * this.units + mostGone) this.tidy()
  }

  /** Uses among the units of `files`, one file after the other. Found once for the same list. */
  uses(files: readonly string[]): Uses {
    if (this.known?.of === files) return this.known.uses
    const places = new Int32Array(this.numbered).fill(-1)
    let unit = 0
    for (const file of files) {
      const held = this.files.get(file)
      for (let i = 0; i < (held?.written.length ?? 0); i++) places[(held?.first ?? 0) + i] = unit++
    }
    const from: number[] = []
    const to: number[] = []
    const there = (numbers: readonly number[]) => numbers.map((number) => places[number] ?? -1).filter((at) => at >= 0)
    for (const name of this.defined) {
      const { users, definers } = this.names[name] as Name
      const defining = there(definers)
      if (defining.length === 0 || defining.length > mostDefiners) continue
      for (const number of users) {
        const user = places[number] ?? -1
        if (user < 0) continue
        for (const definer of defining)
          if (definer !== user) {
            from.push(user)
            to.push(definer)
          }
      }
    }
    const uses: Uses = { from: Uint32Array.from(from), to: Uint32Array.from(to) }
    this.known = { of: files, uses }
    return uses
  }

  private add(file: string, held: FileNames): void {
    const { first, written, defined } = held
    this.files.set(file, held)
    written.forEach((names, i) => {
      for (const name of names) this.names[name]?.users.push(first + i)
    })
    defined.forEach((names, i) => {
      for (const name of names) {
        this.names[name]?.definers.push(first + i)
        this.defined.add(name)
      }
    })
    this.numbered = first + written.length
  }

  /** Numbers the units anew, so that nothing is left of those that have gone. */
  private tidy(): void {
    const held = [...this.files]
    this.names = this.names.map(() => ({ users: [], definers: [] }))
    this.defined = new Set()
    this.numbered = 0
    for (const [file, names] of held) this.add(file, { ...names, first: this.numbered })
  }

  private number(name: string): number {
    let number = this.numbers.get(name)
    if (number === undefined) {
      this.numbers.set(name, (number = this.names.length))
      this.names.push({ users: [], definers: [] })
    }
    return number
  }
}

/** `Session.send, Session.close` gives send and close. */
function namesOf(symbol: string): string[] {
  const names = symbol.split(', ').map((one) => one.slice(one.lastIndexOf('.') + 1))
  return [...new Set(names)].filter((name) => name.length >= shortestName)
}
