/** The packed project, installed as a person installs it, finds its engine and its profile from any folder. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../extension/engine/addon'
import type { RecallResult } from '../../extension/protocol/types'
import { modelPath, repositoryFixture } from '../support/model'
import { temporaryFolder } from '../support/temp'

const execute = promisify(execFile)
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

describe('the packed project', function () {
  this.timeout(300_000)
  const folder = temporaryFolder()
  let tarball: string

  before(async () => {
    await modelPath()
    // The build stands already; npm's own hook would make it again.
    await execute('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: packageRoot() })
    tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!)
  })

  async function recalls(command: string, cwd: string): Promise<void> {
    const question = 'How is a path matched against the routes?'
    const args = ['recall', repositoryFixture, question, '--json', '--no-rerank', '--top', '1', '--no-store']
    const { stdout } = await execute(command, args, { cwd })
    const { units } = JSON.parse(stdout) as RecallResult
    assert.equal(units[0]?.file, 'web/router.ts')
  }

  it('holds the engine, the profile and the unit queries, and neither tests nor sources', async () => {
    const { stdout } = await execute('tar', ['tzf', tarball])
    const files = stdout.trimEnd().split('\n')
    for (const wanted of ['native/build/Release/longread.node', 'syntaxes/python.units.scm', 'out/extension/cli.js'])
      assert.ok(files.includes(`package/${wanted}`), wanted)
    assert.ok(files.some((file) => /recall\/profiles\/smollm2-135m\.json$/.test(file)))
    assert.deepEqual(
      files.filter((file) => /^package\/(test|out\/test|extension|native\/(?!build\/))/.test(file)),
      [],
    )
  })

  it('installed globally runs from another folder', async () => {
    const prefix = join(folder, 'global')
    await execute('npm', ['install', '--global', '--prefix', prefix, ...quiet, tarball], { cwd: folder })
    await recalls(join(prefix, 'bin/longread'), folder)
  })

  it('installed into another project runs there', async () => {
    const project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"name": "other", "private": true}\n')
    await execute('npm', ['install', ...quiet, tarball], { cwd: project })
    assert.ok(existsSync(join(project, 'node_modules/@node-llama-cpp')), 'its packages lie one level up')
    await recalls(join(project, 'node_modules/.bin/longread'), project)
  })
})
