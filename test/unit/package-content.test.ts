/** What the lists of both packages let in of what a build leaves, with CUDA's compiler and without. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { packageRoot } from '../../extension/engine/addon'
import { temporaryFolder } from '../support/temp'

const release = 'native/build/Release'
const always = [
  'longread.node',
  'longread-oracle.node',
  'longread-cuda-emulated.so',
  'reference-check',
  'emulated-check',
]
const withCompiler = ['longread-cuda.so', 'cuda-check', 'cuda-bench']

/** A package as it is before it is packed, with empty files for what was built. */
function built(files: readonly string[]): string {
  const folder = temporaryFolder()
  for (const list of ['package.json', '.vscodeignore', '.npmignore', 'LICENSE'])
    cpSync(join(packageRoot(), list), join(folder, list))
  mkdirSync(join(folder, release), { recursive: true })
  for (const file of files) writeFileSync(join(folder, release, file), '')
  return folder
}

async function extensionFiles(folder: string): Promise<readonly string[]> {
  const { listFiles } = createRequire(__filename)('@vscode/vsce') as {
    readonly listFiles: (options: { readonly cwd: string; readonly packageManager: number }) => Promise<string[]>
  }
  return listFiles({ cwd: folder, packageManager: 2 }) // 2: none, whose packages would be listed, too
}

function commandFiles(folder: string): readonly string[] {
  const options = { cwd: folder, encoding: 'utf8', stdio: 'pipe' } as const
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], options),
  ) as unknown
  const [one] = packed as readonly [{ readonly files: readonly { readonly path: string }[] }]
  return one.files.map(({ path }) => path)
}

const ofBuild = (files: readonly string[]) => files.filter((file) => file.startsWith(release)).sort()

for (const [name, list] of [
  ["the extension's package", extensionFiles],
  ["the command's package", commandFiles],
] as const)
  describe(name, () => {
    it('holds our own CUDA kernels where they were built, and nothing that is for tests', async () => {
      const files = await list(built([...always, ...withCompiler]))
      assert.deepEqual(ofBuild(files), [`${release}/longread-cuda.so`, `${release}/longread.node`])
    })

    it("is whole without CUDA's compiler", async () => {
      assert.deepEqual(ofBuild(await list(built(always))), [`${release}/longread.node`])
    })
  })
