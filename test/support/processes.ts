/** Whether a process is gone. One that ended and that nobody buried yet, as happens to orphans in containers, is gone. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

export function gone(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/** Waits a few seconds for it. */
export async function becomesGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 400 && !gone(pid); ++i) await delay(10)
  return gone(pid)
}
