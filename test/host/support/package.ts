/** The extension's package, made once a test process as it is published. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../extension/engine/addon'
import { withoutCoverage } from './code-server'

export interface Packaged {
  readonly file: string
  readonly bytes: number
  /** What is in it, below `extension/`. */
  readonly files: readonly string[]
}

export function packageExtension(folder: string): Packaged {
  const file = join(folder, 'longread.vsix')
  const vsce = join(packageRoot(), 'node_modules/.bin/vsce')
  const options = { cwd: packageRoot(), env: withoutCoverage(), stdio: 'pipe', encoding: 'utf8' } as const
  execFileSync(vsce, ['package', '--target', 'linux-x64', '--allow-missing-repository', '--out', file], options)
  const files = execFileSync('python3', ['-c', listing, file], options).trimEnd().split('\n')
  return { file, bytes: statSync(file).size, files }
}

const listing = `
import sys, zipfile
for name in zipfile.ZipFile(sys.argv[1]).namelist():
    if name.startswith("extension/"): print(name.removeprefix("extension/"))
`
