/** What discovery finds and what it leaves out, each with its reason. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { LongreadError } from '../../extension/errors'
import type { Progress } from '../../extension/protocol/types'
import { discover, readSource } from '../../extension/workspace/discovery'
import { removeTemporaryFolders, temporaryFolder, temporaryTree, withHome, type Tree } from '../support/tree'

async function found(root: string, options?: Parameters<typeof discover>[1]) {
  const { files, skipped } = await withHome(root, () => discover(root, options))
  return {
    files: files.map(({ file }) => file),
    skipped: Object.fromEntries(skipped.map(({ file, reason }) => [file, reason])),
  }
}

const foundIn = async (tree: Tree) => found(await temporaryTree(tree))

const isError = (code: string) => (error: unknown) => error instanceof LongreadError && error.code === code

describe('discovery', () => {
  afterEach(removeTemporaryFolders)

  it('finds files in every folder, sorted, with their size and time', async () => {
    const root = await temporaryTree({ 'b.ts': 'bb', 'a/z.ts': 'z', 'a/b/c.ts': 'ccc', 'a-b.ts': 'x', 'Z.ts': 'x' })
    const { files, skipped } = await withHome(root, () => discover(root))
    assert.deepEqual(
      files.map(({ file }) => file),
      ['Z.ts', 'a-b.ts', 'a/b/c.ts', 'a/z.ts', 'b.ts'],
    )
    assert.deepEqual(
      files.map(({ size }) => size),
      [1, 1, 3, 1, 2],
    )
    assert.ok(files.every(({ modifiedMs }) => Math.abs(modifiedMs - Date.now()) < 60_000))
    assert.deepEqual(skipped, [])
  })

  it('finds names of any characters', async () => {
    const names = [
      'two words.ts',
      'line\nbreak.ts',
      'tab\t.ts',
      'bell\u0007.ts',
      'größe.ts',
      '日本語.ts',
      '👍.ts',
      'back\\slash.ts',
      '-dash.ts',
      '#hash.ts',
      '[x].ts',
      '"q".ts',
      ':c.ts',
    ]
    const root = await temporaryTree(Object.fromEntries(names.map((name) => [`dir ${name}/${name}`, 'x'])))
    assert.deepEqual((await found(root)).files, names.map((name) => `dir ${name}/${name}`).sort())
    for (const name of names) assert.deepEqual(await readSource(root, `dir ${name}/${name}`), { text: 'x' })
  })

  it('skips a name that is not UTF-8', async () => {
    const root = await temporaryFolder()
    await writeFile(Buffer.concat([Buffer.from(`${root}/a`), Buffer.from([0xff]), Buffer.from('.ts')]), 'x')
    await mkdir(Buffer.concat([Buffer.from(`${root}/b`), Buffer.from([0xfe])]))
    assert.deepEqual(await found(root), {
      files: [],
      skipped: { 'a\ufffd.ts': 'its name is not UTF-8', 'b\ufffd/': 'its name is not UTF-8' },
    })
  })

  it('skips what its name tells, with the reason', async () => {
    const { files, skipped } = await foundIn({
      '.git/config': 'x',
      '.hg/x': 'x',
      'sub/.git': 'gitdir: elsewhere\n',
      'node_modules/m/i.js': 'x',
      'sub/node_modules/m/i.js': 'x',
      'app/__pycache__/a.pyc': 'x',
      'package-lock.json': '{}',
      'go.sum': 'x',
      'web/jquery.min.js': 'x',
      'web/app.js.map': 'x',
      'api/a_pb2.py': 'x',
      'logo.PNG': 'x',
      'font.woff2': 'x',
      'lib.so': 'x',
      'a.zip': 'x',
      'de.po': 'x',
      '.env': 'A=1',
      '.env.example': 'A=',
      '.ssh/config': 'x',
      'home/.ssh/config': 'x',
      'none.ts': '',
      'main.ts': 'x',
    })
    assert.deepEqual(files, ['.env.example', 'main.ts'])
    assert.deepEqual(skipped, {
      '.env': 'secret: environment variables (by its name)',
      '.git/': 'version control',
      '.hg/': 'version control',
      '.ssh/': 'secret: keys (by its name)',
      'a.zip': 'archive: *.zip',
      'api/a_pb2.py': 'generated: *_pb2.py',
      'app/__pycache__/': 'build cache: __pycache__/',
      'de.po': 'translation catalogue: *.po',
      'font.woff2': 'font: *.woff2',
      'go.sum': 'lock file: go.sum',
      'home/.ssh/': 'secret: keys (by its name)',
      'lib.so': 'compiled: *.so',
      'logo.PNG': 'image: *.PNG',
      'node_modules/': 'dependencies: node_modules/',
      'none.ts': 'empty',
      'package-lock.json': 'lock file: package-lock.json',
      'sub/.git': 'version control',
      'sub/node_modules/': 'dependencies: node_modules/',
      'web/app.js.map': 'source map: *.js.map',
      'web/jquery.min.js': 'minified: *.min.js',
    })
  })

  it('reads nothing in a folder whose ignore file is too large to be read', async () => {
    const large = 'xyz\n'.repeat(1_100_000)
    assert.deepEqual(await foundIn({ 'a/.gitignore': large, 'a/x.py': 'x', 'a/b/y.py': 'y', 'z.py': 'z' }), {
      files: ['z.py'],
      skipped: {
        'a/.gitignore': 'left out, since a/.gitignore is too large: *',
        'a/b/': 'left out, since a/.gitignore is too large: *',
        'a/x.py': 'left out, since a/.gitignore is too large: *',
      },
    })
  })

  it('does not wait for a pipe where git names folders in files', async () => {
    const root = await temporaryTree({ 'sub/a.py': 'a', 'sub/.git': 'gitdir: ../git\n', 'git/x.py': 'x' })
    execFileSync('mkfifo', [path.join(root, 'git', 'commondir')])
    // The pipe itself is no file that is read.
    assert.deepEqual((await found(root)).files, ['git/x.py', 'sub/a.py'])
  })

  it('does not take secrets back, whatever an ignore file says', async () => {
    assert.deepEqual(await foundIn({ '.longreadignore': '!.env\n!*.pem\n', '.env': 'A=1', 'a.pem': 'x' }), {
      files: ['.longreadignore'],
      skipped: { '.env': 'secret: environment variables (by its name)', 'a.pem': 'secret: private key (by its name)' },
    })
  })

  it('skips folders that are marked as made by a tool, whatever they are called', async () => {
    const { files, skipped } = await foundIn({
      'my-env/pyvenv.cfg': 'x',
      'my-env/lib/a.py': 'x',
      'target/CACHEDIR.TAG': 'x',
      'target/a.rs': 'x',
      'go/vendor/modules.txt': 'x',
      'go/vendor/a.go': 'x',
      'own/vendor/a.go': 'x',
      'venv/__main__.py': 'x',
    })
    assert.deepEqual(files, ['own/vendor/a.go', 'venv/__main__.py'])
    assert.deepEqual(skipped, {
      'go/vendor/': 'dependencies: holds modules.txt',
      'my-env/': 'dependencies: holds pyvenv.cfg',
      'target/': 'build cache: holds CACHEDIR.TAG',
    })
  })

  it('enters a marked folder that .longreadignore asks for', async () => {
    const { files } = await foundIn({ '.longreadignore': '!vendor/\n', 'vendor/modules.txt': 'x', 'vendor/a.go': 'x' })
    assert.deepEqual(files, ['.longreadignore', 'vendor/a.go', 'vendor/modules.txt'])
  })

  it('skips what is too big, and data sooner than code', async () => {
    const root = await temporaryTree({
      'a.ts': 'x'.repeat(2 ** 20),
      'b.ts': 'x'.repeat(2 ** 20 + 1),
      'c.json': ' '.repeat(2 ** 17 + 1),
    })
    assert.deepEqual(await found(root), {
      files: ['a.ts'],
      skipped: { 'b.ts': 'larger than 1 MiB (1 MiB)', 'c.json': 'data larger than 128 KiB (128 KiB)' },
    })
    const { skipped } = await found(root, { maxFileBytes: 1000 })
    assert.equal(skipped['a.ts'], 'larger than 1000 bytes (1 MiB)')
    assert.deepEqual(await readSource(root, 'b.ts'), { skipped: 'larger than 1 MiB (1 MiB)' })
  })

  it('takes much data that .longreadignore asks for', async () => {
    const root = await temporaryTree({ '.longreadignore': '!c.json\n', 'c.json': '[\n]\n'.repeat(40_000) })
    const { files } = await withHome(root, () => discover(root))
    const data = files.find(({ file }) => file === 'c.json')
    assert.equal(data?.wanted, true)
    assert.ok('text' in (await readSource(root, 'c.json', data)))
    assert.ok('skipped' in (await readSource(root, 'c.json')))
  })

  it('never follows links, and says where they lead', async () => {
    const outside = await temporaryTree({ 'secret.ts': 'x', 'folder/x.ts': 'x' })
    const { files, skipped } = await foundIn({
      'src/a.ts': 'x',
      'inside.ts': { link: 'src/a.ts' },
      'folder-inside': { link: 'src' },
      up: { link: '.' },
      'src/loop': { link: '..' },
      self: { link: 'self' },
      ping: { link: 'pong' },
      pong: { link: 'ping' },
      'broken.ts': { link: 'nothing.ts' },
      'absolute.ts': { link: path.join(outside, 'secret.ts') },
      'relative.ts': { link: `../${path.basename(outside)}/secret.ts` },
      'folder-outside': { link: outside },
      device: { link: '/dev/zero' },
    })
    assert.deepEqual(files, ['src/a.ts'])
    const out = 'link that leads outside the folder'
    assert.deepEqual(skipped, {
      'absolute.ts': out,
      'broken.ts': 'link to nothing',
      device: out,
      'folder-inside': 'link to src',
      'folder-outside': out,
      'inside.ts': 'link to src/a.ts',
      ping: 'link to itself',
      pong: 'link to itself',
      'relative.ts': out,
      self: 'link to itself',
      'src/loop': 'link to the folder itself',
      up: 'link to the folder itself',
    })
  })

  it('takes a root that is itself a link', async () => {
    const real = await temporaryTree({ 'a.ts': 'x' })
    const link = path.join(await temporaryFolder(), 'link')
    await symlink(real, link)
    assert.deepEqual((await found(link)).files, ['a.ts'])
    assert.deepEqual(await readSource(link, 'a.ts'), { text: 'x' })
  })

  it('does not open pipes, sockets and devices', async () => {
    const root = await temporaryFolder()
    execFileSync('mkfifo', [path.join(root, 'pipe.ts')])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path.join(root, 'socket.ts'), resolve))
    try {
      assert.deepEqual(await found(root), {
        files: [],
        skipped: { 'pipe.ts': 'not a regular file', 'socket.ts': 'not a regular file' },
      })
      assert.deepEqual(await readSource(root, 'pipe.ts'), { skipped: 'not a regular file' })
    } finally {
      server.close()
    }
  })

  it('goes on past folders and files that it may not read', async () => {
    const root = await temporaryTree({ 'open/a.ts': 'x', 'shut/b.ts': 'x', 'c.ts': 'x' })
    await chmod(root, 0o755)
    await chmod(path.join(root, 'shut'), 0)
    await chmod(path.join(root, 'c.ts'), 0)
    // Root may read everything, so be someone else meanwhile.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65534)
    try {
      const { files, skipped } = await discover(root)
      assert.deepEqual(
        files.map(({ file }) => file),
        ['c.ts', 'open/a.ts'],
      )
      assert.deepEqual(skipped, [{ file: 'shut/', reason: 'cannot be read: permission denied' }])
      assert.deepEqual(await readSource(root, 'c.ts'), { skipped: 'cannot be read: permission denied' })
    } finally {
      if (isRoot) process.seteuid?.(0)
      await chmod(path.join(root, 'shut'), 0o755)
    }
  })

  it('says that there is no folder where the root is missing or is a file', async () => {
    const root = await temporaryTree({ 'a.ts': 'x' })
    await assert.rejects(discover(path.join(root, 'missing')), isError('no-folder'))
    await assert.rejects(discover(path.join(root, 'a.ts')), isError('no-folder'))
  })

  it('finds nothing in an empty folder', async () => {
    assert.deepEqual(await foundIn({}), { files: [], skipped: {} })
  })

  it('stops when it is cancelled, before and on the way', async () => {
    const root = await temporaryTree(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${'d/'.repeat(i)}a.ts`, 'x'])),
    )
    await assert.rejects(discover(root, { signal: AbortSignal.abort() }), isError('cancelled'))
    const controller = new AbortController()
    const progress = () => controller.abort()
    await assert.rejects(discover(root, { signal: controller.signal, onProgress: progress }), isError('cancelled'))
  })

  it('tells its progress, at the end with the total', async () => {
    const told: Progress[] = []
    await discover(await temporaryTree({ 'a.ts': 'x', 'b/c.ts': 'x' }), {
      onProgress: (progress) => told.push(progress),
    })
    const last = told.at(-1)
    assert.deepEqual([last?.phase, last?.unit, last?.done, last?.total], ['discover', 'files', 2, 2])
  })

  it('lets others work meanwhile, and takes many files', async function () {
    this.timeout(30_000)
    const root = await temporaryFolder()
    await mkdir(path.join(root, 'many'))
    await Promise.all(Array.from({ length: 2000 }, (_, i) => writeFile(path.join(root, 'many', `${i}.ts`), 'x')))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const { files } = await discover(root)
    clearInterval(timer)
    assert.equal(files.length, 2000)
    assert.ok(turns > 0)
  })
})
