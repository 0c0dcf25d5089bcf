/**
 * An eight-hour day in fast motion: edits, questions and branch switches on one memory in one process. What the process holds in
 * memory, open files and other handles must be at the end what it was when the day had begun.
 */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { recall } from '../../../extension/recall/recall'
import { cleanRead, contents, differences, TestMemory } from '../../support/memory'
import { random } from '../../support/random'
import { temporaryFolder } from '../../support/temp'
import { median } from '../numbers'
import { fileText, put } from './sources'

export interface DayResult {
  readonly edits: number
  readonly questions: number
  readonly switches: number
  /** Resident bytes: medians over the second tenth of the day and over the last. */
  readonly residentBefore: number
  readonly residentAfter: number
  readonly filesBefore: number
  readonly filesAfter: number
  readonly handlesBefore: number
  readonly handlesAfter: number
  /** Of this process, when everything is closed, that were not there before it was opened: a leak. */
  readonly handlesLeft: number
  /** Processes that were started and had not ended when the day had. */
  readonly processesLeft: number
  /** Files that differ from a clean read at the end. */
  readonly wrong: number
}

const openFiles = (): number => readdirSync('/proc/self/fd').length
/** Timers of what goes on count, too: one more or less from moment to moment. */
const handles = (): number => process.getActiveResourcesInfo().length
/** Without timers, since whoever calls may have one. */
const lastingHandles = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout' && kind !== 'Immediate').length
const children = (): number =>
  readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).length
const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

export async function day(edits: number, seed = Date.now()): Promise<DayResult> {
  const below = random(seed)
  const handlesAtFirst = lastingHandles()
  const root = realpathSync(temporaryFolder())
  const files = Array.from({ length: 60 }, (_, i) => `${['app', 'lib', 'web'][i % 3]!}/f${i}.py`)
  const some = () => fileText(Array.from({ length: 1 + below(4) }, () => below(24)))
  for (const file of files) put(root, file, some())
  const opened = await TestMemory.open(root, join(temporaryFolder(), 'memory'))
  await opened.read()
  const branches = [0, 1, 2, 3].map(() => new Map(files.filter(() => below(3) === 0).map((file) => [file, some()])))
  const options = { top: 10, signals: 'all', rerank: true, rarity: true } as const
  const samples: { resident: number; files: number; handles: number }[] = []
  const [questionEvery, switchEvery] = [Math.ceil(edits / 500), Math.ceil(edits / 50)]
  let [questions, switches] = [0, 0]
  for (let edit = 1; edit <= edits; edit++) {
    const file = files[below(files.length)]!
    if (below(4) === 0) await opened.update({ file, text: some() }, { file, text: null })
    else {
      put(root, file, some())
      await opened.update({ file })
    }
    if (edit % questionEvery === 0) {
      questions++
      await recall(opened.memory, `Where is case ${below(24)} parsed?`, options, opened.options())
    }
    if (edit % switchEvery === 0) {
      switches++
      const branch = branches[below(branches.length)]!
      for (const [name, text] of branch) put(root, name, text)
      await opened.update(...[...branch.keys()].map((name) => ({ file: name })))
    }
    if (edit % Math.ceil(edits / 200) === 0)
      samples.push({
        resident: resident(),
        files: openFiles(),
        handles: handles(),
      })
  }
  const tenth = Math.ceil(samples.length / 10)
  const [before, after] = [samples.slice(tenth, 2 * tenth), samples.slice(-tenth)]
  const wrong = differences(await contents(opened.memory), await cleanRead(root)).length
  await opened.close()
  await delay(1000)
  const handlesLeft = Math.max(0, lastingHandles() - handlesAtFirst)
  const of = (part: typeof samples, what: 'resident' | 'files' | 'handles') =>
    median(part.map((sample) => sample[what]))
  return {
    edits,
    questions,
    switches,
    residentBefore: of(before, 'resident'),
    residentAfter: of(after, 'resident'),
    filesBefore: of(before, 'files'),
    filesAfter: of(after, 'files'),
    handlesBefore: of(before, 'handles'),
    handlesAfter: of(after, 'handles'),
    handlesLeft,
    processesLeft: children(),
    wrong,
  }
}
