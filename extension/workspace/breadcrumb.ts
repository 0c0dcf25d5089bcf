/** The line that a model reads before a unit, so that what it reads says where it stands. One form for all languages. */
import type { Unit } from '../protocol/types'

/** `# src/a.py in Class.method`, or `# src/a.py` where nothing is defined; without a line end. */
export function breadcrumb(file: string, unit: Pick<Unit, 'symbol'>): string {
  const line = unit.symbol === '' ? `# ${file}` : `# ${file} in ${unit.symbol}`
  // A file may be named with a line end, and the reader counts on one line.
  return line.replace(/[\r\n]+/g, ' ')
}
