/** A case in code whose files stand each after those that it imports; what is wanted stays in its file, at another depth. */
import { importedFirst } from '../../../extension/workspace/imports'
import type { TextFile } from './haystack'
import type { Case } from './tasks'

export function inOrderOfImports(asked: Case): Case {
  const { stream, lengths } = asked
  const [first, last] = [asked.files[0]?.place, asked.files.at(-1)?.place]
  if (!first || !last) return asked
  const byName = new Map(asked.files.map((file) => [file.name, file]))
  const among = (name: string) => byName.get(name)?.place.imports.filter((one) => byName.has(one)) ?? []
  const order = importedFirst([...byName.keys()], among).flatMap((name) => byName.get(name) ?? [])
  const tokens = Int32Array.from(stream)
  const cut = Int32Array.from(lengths)
  const files: TextFile[] = []
  let { from: at } = first
  let [unit] = first.units
  let moved = { from: asked.from, to: asked.to }
  for (const { name, text, spans, place } of order) {
    const by = at - place.from
    tokens.set(stream.subarray(place.from, place.to), at)
    cut.set(lengths.subarray(...place.units), unit)
    const units = [unit, unit + place.units[1] - place.units[0]] as const
    const shifted = <T extends { from: number; to: number }>(one: T) => ({
      ...one,
      from: one.from + by,
      to: one.to + by,
    })
    if (place.from <= asked.from && asked.from < place.to) moved = shifted(moved)
    files.push({ name, text, spans: spans.map(shifted), place: { ...shifted(place), units } })
    at = place.to + by
    unit = units[1]
  }
  // Those of the case that was made: what recall is given does not change.
  const sorted = asked.files.flatMap(({ name }) => files.filter((file) => file.name === name))
  return { ...asked, ...moved, stream: tokens, lengths: cut, files: sorted }
}
