/** Repositories that mean harm: names that move the cursor, files that become links, names that lead outside. */
import assert from 'node:assert/strict'
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { textsOf } from '../../extension/recall/recall'
import { longread } from '../support/command'
import { TestMemory } from '../support/memory'
import { tinyProfile, writeRandomModel } from '../support/tiny-model'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'
import { put, python, workspace } from '../support/workspace'

/** What would move the cursor, colour the screen, reverse text, or pretend to be another line. */
const hostile = [
  '\u001b[2J\u001b[31mred',
  '\u009b2Jc1',
  'gnp.\u202eexe',
  'zero\u200bwidth',
  'new\nlongread: done [ok]',
  '\u0007bell',
]
const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

describe('a hostile repository', () => {
  it('cannot write to the terminal through names of files, folders and symbols', async () => {
    const folder = temporaryFolder()
    const profile = join(folder, 'profile.json')
    writeFileSync(profile, JSON.stringify(tinyProfile))
    const model = writeRandomModel(join(folder, 'random.gguf'))
    const common = ['--model', model, '--profile', profile, '--weights', 'file', '--memory', join(folder, 'memory')]
    const root = join(workspace({}), hostile[0]!)
    for (const name of hostile) {
      put(root, { [`${name}.py`]: python('alpha'), [`${name}/x.md`]: `# ${name}\n\nalpha\n`, [`${name}.png`]: 'x' })
      put(root, { [`${name}.secret.py`]: `k = "ghp_${'aB3dE5gH7jK9'.repeat(3)}"\n` })
    }
    const asked = [root, 'where is alpha', '--top', '99', '--no-rerank']
    const commands = [
      ['stream', root, '--skipped', ...common],
      ['recall', ...asked, ...common],
      ['ask', ...asked, '--why', '--max-tokens', '4', ...common],
      ['summarize', root, ...common],
      ['memory', 'list', '--memory', join(folder, 'memory')],
      ['memory', 'scan', '--memory', join(folder, 'memory')],
      ['memory', 'verify', '--memory', join(folder, 'memory')],
      ['stream', join(root, 'missing\u001b[2J\nlongread: done'), ...common],
    ]
    for (const json of [[], ['--json']])
      for (const args of commands) {
        const { stdout, stderr } = await longread(...args, ...json)
        const shown = stdout + stderr
        assert.ok(shown.length > 0)
        assert.ok(
          !forbidden.test(shown),
          `${args[0]}: ${JSON.stringify(forbidden.exec(shown))} in ${JSON.stringify(shown)}`,
        )
        assert.ok(!/^longread: done/m.test(shown), shown)
        // And in JSON nothing is lost.
        if (json.length > 0 && args[0] === 'recall')
          for (const name of hostile)
            assert.ok(
              (JSON.parse(stdout) as { files: { file: string }[] }).files.some(({ file }) => file === `${name}.py`),
            )
      }
  })

  it('cannot show a file that became a link to elsewhere after it was read, nor a secret that came later', async () => {
    const elsewhere = workspace({ 'private.txt': 'nobody should see this' })
    const root = workspace({ 'a.py': python('alpha'), 'b.py': python('beta') })
    const { memory, ...opened } = await TestMemory.open(root, null).then((test) => ({
      memory: test.memory,
      read: () => test.read(),
    }))
    await opened.read()
    const units = memory.units()
    assert.equal(units.length, 2)
    rmSync(join(root, 'a.py'))
    symlinkSync(join(elsewhere, 'private.txt'), join(root, 'a.py'))
    put(root, { 'b.py': `k = "ghp_${'aB3dE5gH7jK9'.repeat(3)}"\n` })
    assert.deepEqual(
      (await textsOf(memory, units)).map((text) => text.trim()),
      ['', ''],
    )
    await opened.read()
    assert.deepEqual(memory.files(), [])
  })

  it('cannot be told to hold what lies outside of it', async () => {
    const opened = await TestMemory.open(workspace({ 'a.py': python('alpha') }), null)
    for (const file of ['../a.py', '/etc/passwd', 'x/../../a.py', './a.py', '', 'x//y', '..'])
      await rejects(opened.update({ file, text: 'secret plans' }), 'usage')
    assert.deepEqual(opened.memory.files(), [])
  })
})
