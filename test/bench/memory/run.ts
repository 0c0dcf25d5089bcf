/**
 * `longread bench memory`: what the memory on disk must bear, with full counts. All but `restart` and `far` with a tiny model of random weights,
 * since what is kept does not depend on what the numbers mean.
 */
import { parseArgs } from 'node:util'
import { randomDamage } from './damage'
import { day } from './day'
import { randomEdits } from './edits'
import { far } from './far'
import { randomKills } from './kills'
import { restart } from './restart'
import { scale } from './scale'

const print = (text: string) => process.stdout.write(`${text}\n`)
/** Handles that may come and go from one moment to the next, such as a timer. */
const momentary = 2
const n = (value: number): string => value.toLocaleString('en-US')

/** Each prints its counts and gives what is wrong. */
const suites = {
  async kills(count: number, seed: number): Promise<number> {
    const r = await randomKills(count, seed)
    print(`${n(r.kills)} processes killed while reading, saving, opening and pruning (${n(r.pruned)} segments pruned)`)
    print(
      `  ${n(r.acknowledged)} segments acknowledged, ${n(r.required)} of them current at the end: ${n(r.lost)} lost`,
    )
    print(
      `  ${n(r.units)} units compared with a clean read: ${n(r.wrong)} files wrong; ${n(r.damaged)} segments damaged`,
    )
    return r.lost + r.wrong + r.damaged
  },
  async damage(count: number, seed: number): Promise<number> {
    const r = await randomDamage(count, seed)
    print(
      `${n(r.segments)} segments and ${n(r.manifests)} manifests damaged: ${Object.entries(r.damages)
        .map(([kind, times]) => `${kind} ${times}`)
        .join(', ')}`,
    )
    print(`  ${n(r.detected)} detected, ${n(r.served)} served, 0 crashes`)
    return r.segments + r.manifests - r.detected + r.served
  },
  async edits(count: number, seed: number): Promise<number> {
    const r = await randomEdits(count, 30, seed)
    print(`${n(r.runs)} random scripts of 30 edits (${n(r.edits)})`)
    print(`  ${n(r.compared)} comparisons with a clean read, ${n(r.units)} units: all equal, byte by byte`)
    return 0
  },
  async day(count: number, seed: number): Promise<number> {
    const r = await day(count, seed)
    const change = (100 * (r.residentAfter - r.residentBefore)) / r.residentBefore
    print(`A day in fast motion: ${n(r.edits)} edits, ${n(r.questions)} questions, ${n(r.switches)} branch switches`)
    print(
      `  resident ${megabytes(r.residentBefore)} in its second tenth, ${megabytes(r.residentAfter)} in its last (${change.toFixed(1)} %; target: within 10)`,
    )
    print(
      `  open files ${r.filesBefore} and ${r.filesAfter}, handles ${r.handlesBefore} and ${r.handlesAfter}; ${r.handlesLeft} handles and ${r.processesLeft} processes left; ${n(r.wrong)} files differ from a clean read`,
    )
    const grown = change > 10 ? 1 : 0
    return (
      grown +
      r.processesLeft +
      r.wrong +
      Math.max(0, r.filesAfter - r.filesBefore) +
      Math.max(0, r.handlesAfter - r.handlesBefore - momentary) +
      r.handlesLeft
    )
  },
  async scale(count: number): Promise<number> {
    const r = await scale(count)
    print(`${n(r.files)} files of ${n(r.lines)} lines, made of copies of this repository's sources`)
    print(
      `  found in ${n(Math.round(r.discoverMs))} ms, nothing else waited longer than ${r.discoverStallMs.toFixed(0)} ms`,
    )
    print(`  watched after ${n(Math.round(r.watchMs))} ms; the view's first list takes ${n(Math.round(r.viewMs))} ms`)
    print(
      `  looked at for the first time in ${n(Math.round(r.lookMs))} ms, nothing else waited longer than ${r.lookStallMs.toFixed(0)} ms`,
    )
    print(`  one saved and read after ${n(Math.round(r.saveMs))} ms, while ${n(r.missing)} wait`)
    return 0
  },
  async restart(count: number): Promise<number> {
    const r = await restart(count)
    const ms = (value: number) => `${n(Math.round(value))} ms`
    print(
      `${n(r.tokens)} tokens of the default model in ${n(r.files)} files, ${megabytes(r.bytes)}: copies of what was read once`,
    )
    print(
      `  back after a restart in ${ms(r.restartMs)}, of which ${ms(r.holdMs)} without starting and loading the model; ${n(r.tokensRead)} tokens read`,
    )
    print(`  first question ${ms(r.firstQuestionMs)} (checks every key), second ${ms(r.secondQuestionMs)}`)
    const { lines, foundMs, place, readMs } = r.saved
    print(
      `  a saved file of ${n(lines)} lines is found after ${ms(foundMs)}, in place ${place} of 10 files; read after ${ms(readMs)}`,
    )
    return r.tokensRead + (place === 0 ? 1 : 0)
  },
  async far(count: number): Promise<number> {
    const r = await far(count)
    const most = Math.max(...[...r.exact, ...r.twoStage].map(({ resident }) => resident))
    const ms = (passes: typeof r.exact) => passes.map((pass) => n(Math.round(pass.ms))).join(', ')
    print(
      `${n(r.tokens)} tokens, ${n(r.units)} units in ${n(r.files)} segments, ${megabytes(r.bytes)} on disk: keys of files that were read once, kept again and again`,
    )
    print(
      `  mapped in ${n(Math.round(r.mapMs))} ms; resident ${megabytes(r.residentBefore)} before, at most ${megabytes(most)} after (target: 4,295)`,
    )
    print(`  questions over every key, the first checks them: ${ms(r.exact)} ms`)
    print(`  in two stages, the first makes sketches: ${ms(r.twoStage)} ms`)
    print(
      `  of the exactly best units by attention, two stages find ${(100 * r.kept32).toFixed(0)} % of 32 and ${(100 * r.kept64).toFixed(0)} % of 64`,
    )
    return most > 4 * 2 ** 30 ? 1 : 0
  },
} as const

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`

type Suite = keyof typeof suites
const names = Object.keys(suites) as Suite[]

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '1000' },
      damage: { type: 'string', default: '2000' },
      edits: { type: 'string', default: '300' },
      day: { type: 'string', default: '10000' },
      scale: { type: 'string', default: '50000' },
      restart: { type: 'string', default: '1000000' },
      far: { type: 'string', default: '10000000' },
      seed: { type: 'string', default: String(Date.now() % 1e9) },
      only: { type: 'string', default: names.join(',') },
    },
  })
  const seed = Number(values.seed)
  print(`$ ${['longread bench memory', ...args].join(' ')}   (seed ${seed})`)
  let wrong = 0
  for (const name of values.only.split(',')) {
    const suite = names.find((known) => known === name)
    if (suite === undefined) throw new Error(`--only takes ${names.join(', ')}, not "${name}".`)
    const started = performance.now()
    wrong += await suites[suite](Number(values[suite]), seed)
    print(`  ${((performance.now() - started) / 1000).toFixed(0)} s`)
  }
  if (wrong > 0) throw new Error(`${wrong} things are not as they must be.`)
}
