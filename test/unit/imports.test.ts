/** What an import means, the order of files in which what is imported comes first, and what is looked up while a file is read. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { partsOf, type StreamFile } from '../../extension/infllm/lookup'
import { importedFirst, resolveImport } from '../../extension/workspace/imports'

describe('an import', () => {
  const of =
    (...files: string[]) =>
    (from: string, module: string) =>
      resolveImport(from, module, new Set([...files, from]))

  it('means the file that its language means', () => {
    const resolve = of('a/b.ts', 'a/c/index.ts', 'pkg/__init__.py', 'pkg/mod.py', 'inc/y.h')
    assert.equal(resolve('a/z.ts', './b'), 'a/b.ts')
    assert.equal(resolve('a/z.ts', './b.js'), 'a/b.ts')
    assert.equal(resolve('q/z.ts', '../a/c'), 'a/c/index.ts')
    assert.equal(resolve('pkg/other.py', '.mod'), 'pkg/mod.py')
    assert.equal(resolve('x.py', 'pkg'), 'pkg/__init__.py')
    assert.equal(resolve('inc/z.h', 'y.h'), 'inc/y.h')
    assert.equal(resolve('a/z.ts', 'react'), undefined)
    assert.equal(resolve('a/b.ts', './b'), undefined)
    assert.equal(
      of('src/main/java/org/a/B.java')('src/main/java/org/c/D.java', 'org.a.B'),
      'src/main/java/org/a/B.java',
    )
  })

  it('of Rust means the longest path that is a file', () => {
    const resolve = of('src/net/tcp.rs', 'src/net/mod.rs', 'src/net/tcp/split.rs', 'src/util.rs', 'bench/src/run.rs')
    assert.equal(resolve('src/lib.rs', 'net'), 'src/net/mod.rs')
    assert.equal(resolve('src/main.rs', 'crate::net::tcp::TcpStream'), 'src/net/tcp.rs')
    assert.equal(resolve('src/util.rs', 'crate::net::tcp::split::{Read, Write}'), 'src/net/tcp/split.rs')
    assert.equal(resolve('src/net/udp.rs', 'super::tcp::TcpStream as Stream'), 'src/net/tcp.rs')
    assert.equal(resolve('src/net/tcp/split.rs', 'super::super::Kind'), 'src/net/mod.rs')
    assert.equal(resolve('src/net/tcp/split.rs', 'super::*'), 'src/net/tcp.rs')
    assert.equal(resolve('src/net/tcp.rs', 'split'), 'src/net/tcp/split.rs')
    assert.equal(resolve('src/net/tcp.rs', 'self::split::Half'), 'src/net/tcp/split.rs')
    assert.equal(resolve('bench/src/main.rs', 'crate::run'), 'bench/src/run.rs')
    assert.equal(resolve('src/net/tcp.rs', 'std::sync::Arc'), undefined)
  })
})

describe('files in the order of their imports', () => {
  it('stand each after those that it imports, otherwise as they stood', () => {
    const imports: Readonly<Record<string, string[]>> = { a: ['d', 'c'], c: ['e'], b: ['a'], e: [], d: [] }
    assert.deepEqual(
      importedFirst(['a', 'b', 'c', 'd', 'e'], (file) => imports[file]!),
      ['d', 'e', 'c', 'a', 'b'],
    )
  })

  it('are all there once, however they import each other, and in order where none do in circles', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.tuple(fc.nat(29), fc.nat(29)), { maxLength: 80 }),
        fc.boolean(),
        (count, pairs, circles) => {
          const files = Array.from({ length: count }, (_, i) => String((i * 7) % count) + '.' + String(i))
          const edges = pairs.map(([a, b]) => [a % count, b % count] as const).filter(([a, b]) => a !== b && (circles || a > b)) // prettier-ignore
          const of = (file: string) => edges.filter(([a]) => files[a] === file).map(([, b]) => files[b]!)
          const order = importedFirst(files, of)
          assert.deepEqual(order.toSorted(), files.toSorted())
          if (!circles) for (const [a, b] of edges) assert.ok(order.indexOf(files[b]!) < order.indexOf(files[a]!))
        },
      ),
    )
  })

  it('may be a long chain', () => {
    const files = Array.from({ length: 20_000 }, (_, i) => i)
    const order = importedFirst(files.map(String), (file) => (Number(file) + 1 < files.length ? [String(Number(file) + 1)] : [])) // prettier-ignore
    assert.deepEqual(order, files.map(String).reverse())
  })
})

describe('a stream of files', () => {
  const file = (name: string, from: number, to: number, units: [number, number], ...imports: string[]): StreamFile => ({ file: name, from, to, units, imports }) // prettier-ignore
  const stream = {
    tokens: Int32Array.from({ length: 100 }, (_, i) => i),
    lengths: Int32Array.of(5, 10, 15, 20, 40, 10),
    files: [file('a', 5, 30, [1, 3]), file('b', 30, 50, [3, 4], 'c', 'a'), file('c', 50, 90, [4, 5], 'b', 'a')],
  }

  it('is read at once where all may be looked up', () => {
    assert.deepEqual(partsOf(stream, 'all'), [{ tokens: stream.tokens, lengths: stream.lengths }])
  })

  it('is read file by file where others are looked up, and what is imported comes first as far as it was read', () => {
    for (const lookup of ['other', 'imports'] as const)
      for (const cut of [true, false]) {
        const { lengths } = cut ? stream : { lengths: new Int32Array() }
        const parts = partsOf({ ...stream, lengths }, lookup)
        assert.deepEqual(
          parts.flatMap(({ tokens }) => [...tokens]),
          [...stream.tokens],
        )
        if (cut)
          for (const part of parts)
            assert.equal(
              part.lengths.reduce((sum, one) => sum + one, 0),
              part.tokens.length,
            )
        assert.deepEqual(
          parts.map(({ tokens, lengths, before, first }) => [tokens[0], lengths.length, before, first && [...first]]),
          [
            [0, cut ? 1 : 0, undefined, undefined],
            [5, cut ? 2 : 0, 5, []],
            [30, cut ? 1 : 0, 30, lookup === 'imports' ? [5, 30] : []],
            [50, cut ? 1 : 0, 50, lookup === 'imports' ? [5, 30, 30, 50] : []],
            [90, cut ? 1 : 0, undefined, undefined],
          ],
        )
      }
  })
})
