/**
 * The corpus: its fixed split, archives that are unpacked without trust, and several repositories as one workspace.
 */
import * as assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { unpack } from '../bench/corpus/fetch'
import { readRepositories, splits } from '../bench/corpus/repositories'
import { barChart } from '../bench/recall/chart'
import { prepare, prepareTogether } from '../bench/recall/prepare'
import { scoresOf } from '../bench/recall/product'
import type { BenchUnit } from '../bench/recall/ranker'

describe('the corpus', () => {
  const repositories = readRepositories()

  it('has twenty repositories or more of five languages or more, each named once', () => {
    assert.ok(repositories.length >= 20)
    assert.ok(new Set(repositories.map(({ language }) => language)).size >= 5)
    assert.equal(new Set(repositories.map(({ name }) => name)).size, repositories.length)
    assert.equal(new Set(repositories.map((one) => one.package)).size, repositories.length)
  })

  it('has Python, Go, Rust, Java, C# and TypeScript in each split', () => {
    for (const split of splits) {
      const languages = new Set(repositories.filter((one) => one.split === split).map(({ language }) => language))
      for (const language of ['python', 'go', 'rust', 'java', 'c-sharp', 'typescript']) {
        assert.ok(languages.has(language), `${split} ${language}`)
      }
    }
  })
})

describe('what is laid out for the bench', () => {
  let folder = ''
  const cache = process.env['LONGREAD_CACHE']
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'longread-bench-'))
    process.env['LONGREAD_CACHE'] = path.join(folder, 'cache')
  })
  afterEach(async () => {
    if (cache === undefined) delete process.env['LONGREAD_CACHE']
    else process.env['LONGREAD_CACHE'] = cache
    await rm(folder, { recursive: true, force: true })
  })

  it('never comes from an archive that reaches outside its folder', async () => {
    await writeFile(path.join(folder, 'evil'), 'evil')
    const archive = path.join(folder, 'a.tar')
    execFileSync('tar', ['-P', '--transform', 's,^,../,', '-cf', archive, 'evil'], { cwd: folder })
    await assert.rejects(unpack(archive, path.join(folder, 'out')), /outside its folder: \.\.\/evil/)
  })

  it('holds no link that leads out of its folder', async () => {
    const source = path.join(folder, 'source')
    await mkdir(source)
    await writeFile(path.join(source, 'file'), 'text')
    await symlink('file', path.join(source, 'inside'))
    await symlink('/etc/passwd', path.join(source, 'outside'))
    const archive = path.join(folder, 'a.tar')
    execFileSync('tar', ['-cf', archive, '.'], { cwd: source })
    await unpack(archive, path.join(folder, 'out'))
    assert.deepEqual((await readdir(path.join(folder, 'out'))).toSorted(), ['file', 'inside'])
  })

  it('is any folder, or several as one workspace without questions that two of them answer', async () => {
    const function_ = (name: string, says: string): string => `def ${name}():\n    """${says}"""\n    return 1\n`
    const parts = []
    for (const name of ['one', 'two']) {
      const root = path.join(folder, name)
      await mkdir(root)
      const text = function_('f', 'Says the same in both.') + function_('g', `Says something only in ${name}.`)
      await writeFile(path.join(root, 'a.py'), text)
      const [prepared] = await prepare(root)
      assert.equal(prepared!.questions.length, 2)
      parts.push({ ...prepared!, name })
    }
    const together = await prepareTogether('both', parts)
    assert.deepEqual(
      together.questions.map(({ file, symbol, startLine, endLine }) => [file, symbol, startLine, endLine]),
      [
        ['one/a.py', 'g', 3, 4],
        ['two/a.py', 'g', 3, 4],
      ],
    )
    const text = await readFile(path.join(together.tree, 'two', 'a.py'), 'utf8')
    assert.equal(text, 'def f():\n    return 1\ndef g():\n    return 1\n')
  })
})

describe('the product as a ranker', () => {
  it('puts units that the command does not name last', () => {
    const at = (file: string, startLine: number): BenchUnit => ({
      ...{ file, startLine, endLine: startLine + 1 },
      ...{ symbol: '', kind: 'function', text: '' },
    })
    const recalled = { ...at('b', 3), score: 2.5, signals: {}, foundBy: [] }
    const scores = scoresOf({ units: [recalled] }, [at('a', 1), at('b', 1), at('b', 3)])
    assert.deepEqual([...scores], [-Infinity, -Infinity, 2.5])
  })
})

describe('a chart', () => {
  it('writes each number beside its bar, for light and dark, and escapes what it is given', () => {
    const bars = [
      { label: 'a & <b>', value: 0.5, accent: true },
      { label: 'c', value: 0.25 },
    ]
    const svg = barChart({ title: '"x"', groups: [{ name: 'unit', bars }], maximum: 1 })
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
    assert.match(svg, /a &amp; &lt;b&gt;/)
    assert.match(svg, /aria-label="&quot;x&quot;"/)
    assert.match(svg, />0\.50</)
    assert.match(svg, /prefers-color-scheme: dark/)
    const [first, second] = [...svg.matchAll(/class="bar[^>]*width="([\d.]+)"/g)].map((match) => Number(match[1]))
    assert.equal(first, 2 * second!)
  })
})
