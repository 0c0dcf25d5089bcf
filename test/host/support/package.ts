/** The extension's package as it is published. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../extension/engine/addon'
import { temporaryFolder } from '../../support/temp'
import { withoutCoverage } from './code-server'

export interface Packaged {
  readonly file: string
  readonly bytes: number
  /** What is in it, below `extension/`. */
  readonly files: readonly string[]
}

let made: Packaged | undefined

/** Made once a test process. */
export const packageExtension = (): Packaged => (made ??= pack(temporaryFolder()))

function pack(folder: string): Packaged {
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
