/**
 * How Longread is felt in a real VS Code window: its activation, how soon all is held again after a reload, and the longest gaps of the
 * extension host while a repository is read, as the window starts and while a person types, with what ran in them.
 *
 *   longread bench window [--from NAME/FOLDER,…] [--without] [--frames]
 *
 * --without: the same window without Longread, to compare. --frames: what ran in the longest gaps.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startServer } from '../../host/support/code-server'
import { logOf } from '../../host/support/log'
import { packageExtension } from '../../host/support/package'
import { launch, Window } from '../../host/support/window'
import { temporaryFolder } from '../../support/temp'
import { cacheFolder } from '../corpus/repositories'
import { assemble } from '../facts/assemble'
import { packProbe, ranIn, type Probed } from './probe'

const target = 50
const rounds = 3
const print = (text: string): void => void process.stdout.write(`${text}\n`)

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      from: { type: 'string', default: 'requests/src,flask/src' },
      without: { type: 'boolean', default: false },
      frames: { type: 'boolean', default: false },
    },
  })
  const folder = temporaryFolder()
  const workspace = path.join(folder, 'workspace')
  const probed = path.join(folder, 'probed')
  const memory = path.join(folder, 'memory')
  for (const made of [workspace, probed]) mkdirSync(made)
  await assemble(values.from.split(','), workspace)
  const kept = path.join(cacheFolder(), 'editor-memory')
  if (existsSync(kept)) cpSync(kept, memory, { recursive: true })
  const probe = packProbe(folder)
  const server = await startServer({
    folder,
    vsix: values.without ? probe : packageExtension().file,
    others: values.without ? [] : [probe],
    workspace,
    settings: {
      'longread.memory.folder': memory,
      'longread.reading.start': 'automatic',
      'longread.reading.threads': 2,
    },
    environment: { LONGREAD_PROBE: probed },
  })
  const browser = await launch()
  try {
    const window = values.without
      ? await Window.open(browser, server, 1400, 900, '.statusbar-item')
      : await Window.open(browser, server)
    await measured(window, values.without)
    // New files are read with the model while a person types.
    const copied = path.join(workspace, 'copied')
    mkdirSync(copied)
    for (const name of ['auth.py', 'hooks.py', 'structures.py'])
      cpSync(path.join(workspace, 'requests/src/requests', name), path.join(copied, name))
    await delay(12_000)
    for (let round = 1; round < rounds; round++) {
      await window.page.reload()
      await measured(window, values.without)
    }
    writeFileSync(path.join(probed, 'stop'), '')
    await delay(4000)
    for (const line of logOf(folder).match(/(?:activated in|ready [\d.]+ s|longest pause|the engine).*/g) ?? [])
      print(line)
    for (const name of readdirSync(probed).filter((file) => file.endsWith('.json')))
      told(JSON.parse(readFileSync(path.join(probed, name), 'utf8')) as Probed, values.frames)
  } finally {
    await browser.close()
    await server.stop()
  }
}

async function measured(window: Window, without: boolean): Promise<void> {
  const started = performance.now()
  if (without) {
    await window.page.waitForSelector('.statusbar-item', { timeout: 120_000 })
    await delay(6000)
    return
  }
  await window.ready()
  const shown = performance.now()
  await window.held(500_000)
  const ready = performance.now()
  print(`window shown after ${(shown - started).toFixed(0)} ms, ready ${(ready - shown).toFixed(0)} ms after that`)
  await delay(5000)
}

function told(one: Probed, frames: boolean): void {
  const longest = [...one.gaps].sort((a, b) => b.ms - a.ms).slice(0, 6)
  const gaps = longest.map((gap) => ({ ...gap, ...ranIn(one, gap) }))
  print(`longest gaps of one extension host (ms, of that Longread; target: at most ${target}):`)
  for (const { at, ms, own, most } of gaps) {
    print(
      `  ${ms.toFixed(0)} ms ${((at - one.began) / 1000).toFixed(1)} s after the probe; Longread ${own.toFixed(0)} ms`,
    )
    if (frames) for (const frame of most) print(`    ${frame}`)
  }
}
