/**
 * Random edit scripts: files written, edited, deleted, renamed, ignored, given secrets, typed in without saving; folders moved;
 * branches switched. After every step what the memory was told must make it equal to a clean read, unit by unit, byte by byte; and
 * once more after a restart.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import type { Change } from '../../../extension/protocol/types'
import { cleanRead, contents, differences, TestMemory } from '../../support/memory'
import { temporaryFolder } from '../../support/temp'
import { fileText, put } from './sources'

const names = ['a.py', 'b.py', 'lib/c.py', 'lib/d.py', 'lib/deep/e.py', 'web/f.py', 'web/g.ts', 'h.md']
const secret = `token = "ghp_${'aB3dE5gH7jK9'.repeat(3)}"\n`

const file = fc.constantFrom(...names)
const functions = fc.array(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 5 })

type Edit =
  | { readonly kind: 'write' | 'type'; readonly file: string; readonly functions: number[]; readonly secret: boolean }
  | { readonly kind: 'delete' | 'undo'; readonly file: string }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  | { readonly kind: 'move'; readonly folder: string; readonly to: string }
  | { readonly kind: 'ignore'; readonly files: string[] }
  | { readonly kind: 'branch'; readonly branch: number }

const weighted = (kind: 'write' | 'type') =>
  fc.record({
    kind: fc.constant(kind),
    file,
    functions,
    secret: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  })

const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 6, arbitrary: weighted('write') },
  { weight: 3, arbitrary: weighted('type') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'undo' as const), file }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rename' as const), file, to: file }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      folder: fc.constantFrom('lib', 'web'),
      to: fc.constantFrom('lib', 'web', 'moved'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ignore' as const), files: fc.subarray(names, { maxLength: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('branch' as const), branch: fc.integer({ min: 0, max: 2 }) }) },
)

const everything = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(root, name)).isFile())

/** The workspace as people and tools change it; gives what a watcher would tell. */
class Desk {
  private readonly branches = new Map<number, Map<string, string>>()
  private branch = 0
  readonly unsaved = new Set<string>()

  constructor(readonly root: string) {}

  apply(edit: Edit): Change[] {
    const full = (name: string) => join(this.root, name)
    switch (edit.kind) {
      case 'write':
        put(this.root, edit.file, this.text(edit))
        // An editor that saves has nothing unsaved.
        this.unsaved.delete(edit.file)
        return [{ file: edit.file }]
      case 'type':
        this.unsaved.add(edit.file)
        return [{ file: edit.file, text: this.text(edit) }]
      case 'undo':
        this.unsaved.delete(edit.file)
        return [{ file: edit.file, text: null }]
      case 'delete':
        this.unsaved.delete(edit.file)
        if (existsSync(full(edit.file))) unlinkSync(full(edit.file))
        return [{ file: edit.file, text: null }]
      case 'rename': {
        if (!existsSync(full(edit.file)) || edit.file === edit.to) return []
        put(this.root, edit.to, '')
        renameSync(full(edit.file), full(edit.to))
        this.unsaved.delete(edit.to)
        return [{ file: edit.file }, { file: edit.to }]
      }
      case 'move': {
        if (!existsSync(full(edit.folder)) || existsSync(full(edit.to))) return []
        const before = everything(full(edit.folder))
        renameSync(full(edit.folder), full(edit.to))
        // Of a folder that is gone watchers tell its name alone.
        return [{ file: edit.folder }, ...before.map((name) => ({ file: `${edit.to}/${name}` }))]
      }
      case 'ignore':
        put(this.root, '.gitignore', edit.files.map((name) => `/${name}\n`).join(''))
        return [{ file: '.gitignore' }]
      case 'branch':
        return this.checkOut(edit.branch)
    }
  }

  private text({ functions, secret: withSecret }: { functions: number[]; secret: boolean }): string {
    return fileText(functions) + (withSecret ? secret : '')
  }

  private checkOut(branch: number): Change[] {
    const now = new Map(everything(this.root).map((name) => [name, readFileSync(join(this.root, name), 'utf8')]))
    this.branches.set(this.branch, now)
    this.branch = branch
    const then = this.branches.get(branch) ?? now
    const changed = [...new Set([...now.keys(), ...then.keys()])].filter((name) => now.get(name) !== then.get(name))
    for (const name of changed) {
      const text = then.get(name)
      if (text === undefined) {
        unlinkSync(join(this.root, name))
        // As git does.
        const folder = dirname(join(this.root, name))
        if (folder !== this.root && readdirSync(folder).length === 0) rmSync(folder, { recursive: true })
      } else put(this.root, name, text)
    }
    return changed.map((name) => ({ file: name }))
  }
}

export interface EditsResult {
  readonly runs: number
  readonly edits: number
  /** Comparisons with a clean read. */
  readonly compared: number
  readonly units: number
}

/** Throws with a script that can be run again when the memory differs from a clean read. */
export async function randomEdits(runs: number, length: number, seed?: number): Promise<EditsResult> {
  let [edits, compared, units] = [0, 0, 0]
  const folder = join(temporaryFolder(), 'memory')
  const compare = async (memory: TestMemory, root: string, when: string) => {
    const [held, clean] = [await contents(memory.memory), await cleanRead(root)]
    const found = differences(held, clean)
    if (found.length > 0) throw new Error(`${when}: ${found.join('; ')}`)
    compared++
    for (const file of clean.values()) units += file.units.length
  }
  const property = fc.asyncProperty(fc.array(edit, { minLength: length, maxLength: length }), async (script) => {
    const desk = new Desk(realpathSync(temporaryFolder()))
    for (const [i, name] of names.slice(0, 5).entries()) put(desk.root, name, fileText([i, i + 1]))
    const opened = await TestMemory.open(desk.root, folder)
    await opened.read()
    for (const [i, one] of script.entries()) {
      const { missing } = await opened.update(...desk.apply(one))
      // Files that a change to ignore rules let in wait like all that is not urgent.
      if (missing.files > 0) await opened.read()
      edits++
      // What is typed and not saved is in no clean read; nothing else may differ, now or later.
      if (desk.unsaved.size === 0 && i % 10 === 9) await compare(opened, desk.root, `after edit ${i + 1}`)
    }
    await opened.update(...[...desk.unsaved].map((name) => ({ file: name, text: null })))
    await compare(opened, desk.root, 'at the end')
    await opened.close()
    const restarted = await TestMemory.open(desk.root, folder)
    const { tokensRead } = await restarted.read()
    if (tokensRead > 0) throw new Error(`a start without a change read ${tokensRead} tokens`)
    await compare(restarted, desk.root, 'after a restart')
    await restarted.close()
    rmSync(desk.root, { recursive: true })
  })
  await fc.assert(property, { numRuns: runs, endOnFailure: true, ...(seed === undefined ? {} : { seed }) })
  return { runs, edits, compared, units }
}
