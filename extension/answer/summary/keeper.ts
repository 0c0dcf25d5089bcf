/**
 * A summary that survives being broken off: each section is kept on disk when it is made, under the name of what was summarised,
 * and a second run makes only those that are missing. Of each folder there is one; what was made of older contents goes.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import * as path from 'node:path'
import type { AskRequest, HeldFile, Section, SectionId } from '../../protocol/types'
import { shortHash } from '../../store/folder'
import { writeWhole } from '../../store/whole-file'
import { sectionIds } from './summarize'

export interface SummaryRun {
  /** The repository's folder. */
  readonly root: string
  readonly outline: readonly HeldFile[]
  /** What of it is summarised, with a slash at its end; empty: all. */
  readonly part?: string
  /** What else the summary depends on: the model. */
  readonly model: string
  /** And where its answers come from, as it was asked for. */
  readonly reading: AskRequest['reading']
  /** Where unfinished summaries are kept, or undefined: nowhere. */
  readonly folder: string | undefined
  readonly make: (id: SectionId) => Promise<Section>
  /** Called with all sections there are, whenever one has come. */
  readonly onSections: (sections: readonly Section[]) => void
}

export async function runSummary({
  root,
  outline,
  part = '',
  model,
  reading,
  folder,
  make,
  onSections,
}: SummaryRun): Promise<Section[]> {
  const key = createHash('sha256')
    .update(JSON.stringify([version, model, reading ?? 'auto', part, outline]))
    .digest('hex')
    .slice(0, 32)
  const own = `${shortHash(JSON.stringify([root, part]))}-`
  const file = folder === undefined ? undefined : path.join(folder, `${own}${key}.json`)
  if (file !== undefined) await forgetOlder(file, own)
  const known = file === undefined ? [] : await kept(file)
  const sections: Section[] = []
  for (const id of sectionIds) {
    sections.push(known.find((section) => section.id === id) ?? (await make(id)))
    onSections(sections)
    // Without a disk to write to a summary is as good, only not resumable.
    if (file !== undefined) await writeWhole(file, JSON.stringify(sections)).catch(() => undefined)
  }
  return sections
}

async function forgetOlder(file: string, own: string): Promise<void> {
  const folder = path.dirname(file)
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith(own) && name !== path.basename(file)) await rm(path.join(folder, name), { force: true })
}

/** Raised when sections are made in another way. */
const version = 3

async function kept(file: string): Promise<readonly Section[]> {
  try {
    const sections: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(sections) ? (sections as Section[]) : []
  } catch {
    return []
  }
}
