/** A disk of a few pages, for tests of what happens when it is full. Mounting one needs root; otherwise there is none. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const mounted: string[] = []

process.once('exit', () => {
  for (const folder of mounted)
    try {
      execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
      rmdirSync(folder)
    } catch {
      // It goes with the machine.
    }
})

/** A folder on a disk of its own, or why there is none. */
export function smallDisk(bytes: number): { folder: string } | { skipped: string } {
  const folder = mkdtempSync(join(tmpdir(), 'longread-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    rmdirSync(folder)
    return { skipped: 'a small disk can be mounted by root alone' }
  }
  mounted.push(folder)
  return { folder }
}

/** Makes what is there unchangeable, as on a disk that is mounted to be read only. */
export function readOnly(folder: string): void {
  execFileSync('mount', ['-o', 'remount,ro', folder], { stdio: 'ignore' })
}
