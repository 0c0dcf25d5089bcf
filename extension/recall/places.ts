/** Which units a place means: those of a file, of the files in a folder (`web/`; `/` is all), or those that lines touch. */
import type { Place, UnitReference } from '../protocol/types'

export function liesIn(unit: UnitReference, places: readonly Place[]): boolean {
  return places.some(({ file, startLine, endLine }) => {
    if (file.endsWith('/')) return file === '/' || unit.file.startsWith(file)
    if (unit.file !== file) return false
    if (startLine === undefined) return true
    return unit.startLine <= (endLine ?? startLine) && unit.endLine >= startLine
  })
}
