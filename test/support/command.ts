/** Runs the command as a person or a program does: in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../extension/engine/addon'

export interface Ended {
  /** Null when a signal ended it. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when stderr holds this, and rejects when the command ends before. */
  says(text: string): Promise<void>
}

export function start(args: readonly string[]): Running {
  const cli = join(packageRoot(), 'out/extension/cli.js')
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, stdout, stderr }))
  })
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!stderr.includes(text)) return
        child.stderr.off('data', look)
        resolve()
      }
      child.stderr.on('data', look)
      child.once('close', () => reject(new Error(`ended without "${text}" on stderr: ${stderr}`)))
      look()
    })
  return { process: child, ended, says }
}

export const longread = (...args: readonly string[]): Promise<Ended> => start(args).ended

/** The processes that one has started and that still run. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        // After the name, which stands in parentheses and may hold anything: the state, then the parent.
        const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')
        return Number(parent) === pid && state !== 'Z'
      } catch {
        return false
      }
    })
    .map(Number)
}
