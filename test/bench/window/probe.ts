/**
 * A second extension that sits in the same extension host and measures it: every gap in which nothing else could run, and by a profile
 * what ran in it. It starts with the window, before Longread does.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../extension/engine/addon'
import { withoutCoverage } from '../../host/support/code-server'

/** Milliseconds. */
export interface Gap {
  /** Since 1970. */
  readonly at: number
  readonly ms: number
}

/** What the probe writes about each extension host, once the file `stop` is there. */
export interface Probed {
  readonly gaps: readonly Gap[]
  readonly profile: CpuProfile
  /** When the profile began, since 1970. */
  readonly began: number
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  /** Microseconds. */
  readonly startTime: number
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const main = `
const { existsSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { Session } = require('node:inspector')
const folder = process.env.LONGREAD_PROBE
exports.activate = () => {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: 1000 })
  session.post('Profiler.start')
  const began = Date.now()
  const gaps = []
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const ms = now - last - 5
    if (ms > 15) gaps.push({ at: Date.now() - ms, ms })
    last = now
  }, 5)
  const end = setInterval(() => {
    if (!existsSync(join(folder, 'stop'))) return
    clearInterval(timer)
    clearInterval(end)
    session.post('Profiler.stop', (error, result) => {
      writeFileSync(join(folder, process.pid + '.json'), JSON.stringify({ gaps, began, profile: result && result.profile }))
    })
  }, 200)
}
`

/** Packs the probe; gives its file. */
export function packProbe(folder: string): string {
  const source = join(folder, 'probe')
  mkdirSync(source)
  const manifest = {
    name: 'probe', publisher: 'longread', version: '0.0.1', engines: { vscode: '^1.90.0' }, main: './main.js',
    activationEvents: ['*'], extensionKind: ['workspace'], repository: '',
  } // prettier-ignore
  writeFileSync(join(source, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(source, 'main.js'), main)
  writeFileSync(join(source, 'LICENSE'), 'MIT')
  writeFileSync(join(source, 'README.md'), 'Measures the extension host.')
  const file = join(folder, 'probe.vsix')
  const vsce = join(packageRoot(), 'node_modules/.bin/vsce')
  const options = { cwd: source, env: withoutCoverage(), stdio: 'pipe' } as const
  execFileSync(vsce, ['package', '--allow-missing-repository', '--allow-star-activation', '--out', file], options)
  return file
}

/** What ran in a gap: the outermost functions with a file, by their time, and what of it was inside of Longread's code. */
export function ranIn({ profile, began }: Probed, { at, ms }: Gap): { readonly own: number; readonly most: string[] } {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  )
  const byFrame = new Map<string, number>()
  let own = 0
  let time = began
  profile.samples.forEach((sample, i) => {
    const took = (profile.timeDeltas[i] ?? 0) / 1000
    time += took
    if (time < at || time > at + ms + 5) return
    const stack: string[] = []
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const { functionName, url, lineNumber } = nodes.get(id)!.callFrame
      stack.push(`${functionName || '-'} ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`)
    }
    if (stack.some((frame) => /longread[^/]*\/out\/bundle|bundle\/extension\/main/.test(frame))) own += took
    const outer =
      stack
        .filter((frame) => !/^\(|^- :|node:/.test(frame))
        .slice(0, 3)
        .join(' < ') || stack[0]!
    byFrame.set(outer, (byFrame.get(outer) ?? 0) + took)
  })
  const most = [...byFrame].sort(([, a], [, b]) => b - a).slice(0, 4)
  return { own, most: most.map(([frame, took]) => `${took.toFixed(0)} ms ${frame}`) }
}
