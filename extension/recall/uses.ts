/**
 * Who uses what: a unit is a neighbour of each definition whose name it writes. Names that more than a few units define (`get`,
 * `__init__`) say nothing about who is meant and make no neighbours. Words do for calls and imports alike, in every language.
 */
import type { UnitReference } from '../protocol/types'
import { isCode } from './standing'

/** Shorter names are everyday words. */
const shortestName = 4
/** A name that more units define than this is ambiguous. */
const mostDefiners = 3

export interface Uses {
  /** Unit `from[i]` writes the name of what unit `to[i]` defines. Indices into the units asked for. */
  readonly from: Uint32Array
  readonly to: Uint32Array
}

interface FileNames {
  readonly units: readonly UnitReference[]
  /** Names written in each unit, as numbers. */
  readonly written: readonly Uint32Array[]
}

export class UseIndex {
  private readonly files = new Map<string, FileNames>()
  private readonly numbers = new Map<string, number>()
  private known: { readonly of: readonly string[]; readonly uses: Uses } | undefined

  /** Adds or replaces a file; `texts` are its units'. */
  put(file: string, units: readonly UnitReference[], texts: readonly string[]): void {
    const written = texts.map((text) => {
      const names = new Set<number>()
      for (const [name] of text.matchAll(/[\p{L}_$][\p{L}\p{N}_$]{3,}/gu)) names.add(this.number(name))
      return Uint32Array.from(names)
    })
    this.files.set(file, { units, written })
    this.known = undefined
  }

  remove(file: string): void {
    this.files.delete(file)
    this.known = undefined
  }

  /** Uses among the units of `files`, one file after the other. Found once for the same list. */
  uses(files: readonly string[]): Uses {
    if (this.known?.of === files) return this.known.uses
    const definers = this.definers(files)
    const from: number[] = []
    const to: number[] = []
    let unit = 0
    for (const file of files)
      for (const names of this.files.get(file)?.written ?? []) {
        const used = new Set<number>()
        for (const name of names) for (const definer of definers.get(name) ?? []) used.add(definer)
        used.delete(unit)
        for (const definer of used) {
          from.push(unit)
          to.push(definer)
        }
        unit++
      }
    const uses: Uses = { from: Uint32Array.from(from), to: Uint32Array.from(to) }
    this.known = { of: files, uses }
    return uses
  }

  /** Units that define a name, by the name's number; names with too many are left out. */
  private definers(files: readonly string[]): Map<number, number[]> {
    const definers = new Map<number, number[]>()
    let at = 0
    for (const file of files) {
      const units = this.files.get(file)?.units ?? []
      if (isCode(file))
        units.forEach(({ kind, symbol }, i) => {
          if (kind !== 'function' && kind !== 'method' && kind !== 'class') return
          for (const name of namesOf(symbol)) {
            const number = this.numbers.get(name)
            if (number === undefined) continue
            const known = definers.get(number)
            if (known === undefined) definers.set(number, [at + i])
            else known.push(at + i)
          }
        })
      at += units.length
    }
    for (const [name, units] of definers) if (units.length > mostDefiners) definers.delete(name)
    return definers
  }

  private number(name: string): number {
    let number = this.numbers.get(name)
    if (number === undefined) this.numbers.set(name, (number = this.numbers.size))
    return number
  }
}

/** `Session.send, Session.close` gives send and close. */
function namesOf(symbol: string): string[] {
  const names = symbol.split(', ').map((one) => one.slice(one.lastIndexOf('.') + 1))
  return [...new Set(names)].filter((name) => name.length >= shortestName)
}
