/** Ignore rules decide as git does: compared with `git check-ignore` on random patterns, names and trees. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import { discover } from '../../extension/workspace/discovery'
import { bytesOf, decideBy, parseRules } from '../../extension/workspace/ignore-rules'
import { wildmatch } from '../../extension/workspace/wildmatch'
import { pattern, randomTree, somePath, treeOf } from '../support/random-rules'
import { removeTemporaryFolders, temporaryFolder, temporaryTree, withHome, writeTree } from '../support/tree'

const git = (root: string, ...args: string[]) =>
  execFileSync('git', ['-C', root, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })

/** Which of these paths git ignores. They are given as `./a`, for a colon at the beginning means something else to git. */
function ignoredByGit(root: string, files: readonly string[]): Set<string> {
  const input = files.map((file) => `./${file}`).join('\0')
  try {
    const out = execFileSync('git', ['-C', root, 'check-ignore', '--no-index', '-z', '--stdin'], { input })
    return new Set(
      out
        .toString()
        .split('\0')
        .filter(Boolean)
        .map((file) => file.slice(2)),
    )
  } catch (error) {
    // 1: none of them.
    if (error instanceof Error && 'status' in error && error.status === 1) return new Set()
    throw error
  }
}

/** What our rules say of a path whose folders are folders and whose last part is a file. */
function ignoredByUs(content: string, file: string): boolean {
  const list = parseRules(Buffer.from(content), '', '')
  const parts = file.split('/')
  return parts.some(
    (_, i) => decideBy(list, bytesOf(parts.slice(0, i + 1).join('/')), i < parts.length - 1)?.ignored === true,
  )
}

describe('ignore rules', () => {
  after(removeTemporaryFolders)

  it('decide about any pattern and path as git does', async function () {
    this.timeout(60_000)
    const root = await temporaryFolder()
    git(root, 'init', '-q')
    await withHome(root, () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(pattern, { minLength: 1, maxLength: 3 }),
          fc.uniqueArray(somePath, { minLength: 20, maxLength: 40 }),
          async (rules, files) => {
            const content = `${rules.join('\n')}\n`
            await writeFile(path.join(root, '.gitignore'), content)
            const expected = ignoredByGit(root, files)
            const ours = files.filter((file) => ignoredByUs(content, file))
            assert.deepEqual(
              ours,
              files.filter((file) => expected.has(file)),
            )
          },
        ),
        { numRuns: 300 },
      ),
    )
  })

  it('leave the same files of any tree as git does, with rules in every folder, in info/exclude and for all repositories', async function () {
    this.timeout(60_000)
    const home = await temporaryFolder()
    const root = await temporaryFolder()
    await withHome(home, () =>
      fc.assert(
        fc.asyncProperty(randomTree, async (random) => {
          await rm(root, { recursive: true })
          await mkdir(path.join(root, '.git/info'), { recursive: true })
          const tree = treeOf(random)
          // The least that git takes for a repository.
          await writeTree(root, {
            ...tree,
            '.git/HEAD': 'ref: refs/heads/main\n',
            '.git/objects/': '',
            '.git/refs/': '',
            '.git/info/exclude': random.exclude,
          })
          await writeTree(home, { '.config/git/ignore': random.global })
          const files = Object.keys(tree)
          const expected = ignoredByGit(root, files)
          const found = await discover(root)
          assert.deepEqual(
            found.files.map(({ file }) => file).sort(),
            files.filter((file) => !expected.has(file)).sort(),
          )
        }),
        { numRuns: 100 },
      ),
    )
  })

  it('take a bounded time for hostile patterns', () => {
    assert.equal(wildmatch(`${'*a'.repeat(40)}b`, 'a'.repeat(255), false), false)
    assert.equal(wildmatch(`${'*[a]'.repeat(40)}b`, 'a'.repeat(255), false), false)
    assert.equal(wildmatch(`${'**/a/'.repeat(30)}b`, 'a/'.repeat(60) + 'c', true), false)
    assert.equal(wildmatch(`${'**/*a*/'.repeat(20)}b`, 'aa/'.repeat(60) + 'c', true), false)
  })

  it('read files with a byte order mark, CRLF and no end of line', () => {
    assert.equal(ignoredByUs('\ufeffa.c\r\n\r\n# b.c\r\nc.c', 'a.c'), true)
    assert.equal(ignoredByUs('a.c\r\n# b.c\r\nc.c', 'b.c'), false)
    assert.equal(ignoredByUs('a.c\r\n# b.c\r\nc.c', 'c.c'), true)
  })

  const skippedOf = async (root: string) => {
    const { skipped } = await withHome(await temporaryFolder(), () => discover(root))
    return Object.fromEntries(skipped.map(({ file, reason }) => [file, reason]))
  }
  const filesOf = async (root: string) =>
    (await withHome(await temporaryFolder(), () => discover(root))).files.map(({ file }) => file)

  it('are named with their file in the reason, and an ignored folder is listed once', async () => {
    const root = await temporaryTree({
      '.gitignore': 'out/\n',
      'src/.gitignore': '*.tmp\n',
      'src/a.tmp': 'x',
      'out/b.ts': 'x',
      'out/deep/c.ts': 'x',
    })
    assert.deepEqual(await skippedOf(root), {
      'src/a.tmp': 'ignored by src/.gitignore: *.tmp',
      'out/': 'ignored by .gitignore: out/',
    })
  })

  it('of .longreadignore have the last word, over git and over what is built in', async () => {
    const root = await temporaryTree({
      '.gitignore': 'made.ts\nkeep.ts\n!never.ts\n',
      '.longreadignore': '!keep.ts\nnever.ts\n!node_modules/\n!yarn.lock\n',
      'keep.ts': 'x',
      'made.ts': 'x',
      'never.ts': 'x',
      'node_modules/m/index.js': 'x',
      'other/.longreadignore': 'keep.ts\n',
      'other/keep.ts': 'x',
      'yarn.lock': 'x',
      'Cargo.lock': 'x',
    })
    assert.deepEqual(await filesOf(root), [
      '.gitignore',
      '.longreadignore',
      'keep.ts',
      'node_modules/m/index.js',
      'other/.longreadignore',
      'yarn.lock',
    ])
    assert.deepEqual(await skippedOf(root), {
      'Cargo.lock': 'lock file: *.lock',
      'made.ts': 'ignored by .gitignore: made.ts',
      'never.ts': 'ignored by .longreadignore: never.ts',
      'other/keep.ts': 'ignored by other/.longreadignore: keep.ts',
    })
  })

  it('of git cannot take back what is built in, because they speak of what to commit', async () => {
    const root = await temporaryTree({ '.gitignore': '*.json\n!package-lock.json\n', 'package-lock.json': '{}' })
    assert.deepEqual(await skippedOf(root), { 'package-lock.json': 'lock file: package-lock.json' })
  })

  it('hold from the top of the repository when a folder inside it is the root', async () => {
    const top = await temporaryTree({
      '.gitignore': '*.tmp\n/app/made/\n',
      'app/made/a.ts': 'x',
      'app/b.tmp': 'x',
      'app/c.ts': 'x',
    })
    git(top, 'init', '-q')
    assert.deepEqual(await skippedOf(path.join(top, 'app')), {
      'b.tmp': 'ignored by ../.gitignore: *.tmp',
      'made/': 'ignored by ../.gitignore: /app/made/',
    })
  })

  it('of a repository around do not count for a root that it ignores', async () => {
    const top = await temporaryTree({ '.gitignore': '*\n', 'app/c.ts': 'x' })
    git(top, 'init', '-q')
    assert.deepEqual(await filesOf(path.join(top, 'app')), ['c.ts'])
  })

  it('of a nested repository and of a linked work tree are found', async () => {
    const root = await temporaryTree({
      'inner/.git/info/exclude': 'a.ts\n',
      'inner/a.ts': 'x',
      'inner/b.ts': 'x',
      'tree/.git': 'gitdir: ../common/worktrees/tree\n',
      'common/worktrees/tree/commondir': '../..\n',
      'common/info/exclude': 'c.ts\n',
      'tree/c.ts': 'x',
    })
    const skipped = await skippedOf(root)
    assert.equal(skipped['inner/a.ts'], 'ignored by inner/.git/info/exclude: a.ts')
    assert.equal(skipped['tree/c.ts'], 'ignored by tree/.git/info/exclude: c.ts')
    assert.equal(skipped['inner/.git/'], 'version control')
    assert.equal(skipped['tree/.git'], 'version control')
  })

  it('for all repositories come from core.excludesFile, with git and without it', async () => {
    const home = await temporaryTree({
      '.gitconfig': '[user]\n\tname = x\n[core]\n\texcludesFile = ~/mine\n',
      mine: '*.mine\n',
    })
    const root = await temporaryTree({ 'a.mine': 'x' })
    const expected = [{ file: 'a.mine', reason: 'ignored by ~/mine: *.mine' }]
    assert.deepEqual((await withHome(home, () => discover(root))).skipped, expected)
    const withoutGit = () => {
      process.env['PATH'] = '/nonexistent'
      return discover(root)
    }
    assert.deepEqual((await withHome(home, withoutGit)).skipped, expected)
  })

  it('of core.excludesFile are asked of git once, and again when its configuration changes', async () => {
    const home = await temporaryTree({ mine: '*.mine\n', other: '*.other\n' })
    const root = await temporaryTree({ 'a.mine': 'x', 'a.other': 'x' })
    git(root, 'init', '-q')
    const real = execFileSync('which', ['git']).toString().trim()
    const bin = await temporaryTree({ git: `#!/bin/sh\necho "$@" >> '${home}/calls'\nexec '${real}' "$@"\n` })
    await chmod(path.join(bin, 'git'), 0o755)
    const ignored = () =>
      withHome(home, async () => {
        process.env['PATH'] = `${bin}:${process.env['PATH']}`
        return (await discover(root)).skipped.map(({ file }) => file).filter((file) => file !== '.git/')
      })
    const calls = async () => (await readFile(path.join(home, 'calls'), 'utf8')).split('\n').length - 1
    assert.deepEqual(await ignored(), [])
    const first = await calls()
    assert.ok(first > 0)
    assert.deepEqual(await ignored(), [])
    assert.equal(await calls(), first)
    // One that was not there, one that it includes, the repository's own.
    await writeTree(home, { '.gitconfig': '[include]\n\tpath = more\n' })
    assert.deepEqual(await ignored(), [])
    await writeTree(home, { more: '[core]\n\texcludesFile = ~/mine\n' })
    assert.deepEqual(await ignored(), ['a.mine'])
    git(root, 'config', 'core.excludesFile', path.join(home, 'other'))
    assert.deepEqual(await ignored(), ['a.other'])
    const then = await calls()
    assert.deepEqual(await ignored(), ['a.other'])
    assert.equal(await calls(), then)
  })

  it('are not read through a link, nor from a pipe', async () => {
    const outside = await temporaryTree({ rules: '*.ts\n' })
    const root = await temporaryTree({ '.gitignore': { link: path.join(outside, 'rules') }, 'a.ts': 'x' })
    execFileSync('mkfifo', [path.join(root, '.longreadignore')])
    assert.deepEqual(await filesOf(root), ['a.ts'])
  })
})
