/**
 * The units of a folder as the product itself discovers, reads and cuts them, with their text.
 */
import { discover, readSource } from '../../../extension/workspace/discovery'
import { cutUnits } from '../../../extension/workspace/units'
import type { BenchUnit } from './ranker'

export async function loadUnits(root: string): Promise<BenchUnit[]> {
  const units: BenchUnit[] = []
  for (const { file, wanted } of (await discover(root)).files) {
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) continue
    const lines = source.text.split('\n')
    for (const unit of await cutUnits(file, source.text)) {
      units.push({ ...unit, file, text: lines.slice(unit.startLine - 1, unit.endLine).join('\n') })
    }
  }
  return units
}
