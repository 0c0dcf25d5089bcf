/**
 * Questions made from documentation, language by language: what is asked, where the answer stands once the documentation is
 * gone, and that nothing but documentation goes.
 */
import * as assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { stripFile } from '../../extension/recall/calibration/strip'

interface Case {
  readonly file: string
  readonly text: string
  readonly stripped: string
  readonly asked: readonly (readonly [symbol: string, startLine: number, endLine: number, question: string])[]
}

const lines = (...all: string[]): string => all.join('\n')

const cases: Record<string, Case> = {
  'Python docstrings, leaving code that still runs': {
    file: 'a.py',
    text: lines(
      '"""The module says what it is for."""',
      'class Cache(Base):',
      '    """Holds what was computed before."""',
      '    size = 1',
      '',
      '    @property',
      '    def oldest(self):',
      '        """The entry that was :meth:`~Cache.added` first.',
      '',
      '        :param nothing: at all',
      '        """',
      '        return self.entries[0]',
      '',
      '    def clear(self):',
      "        'Forgets all of the entries.'",
      '',
      'class Empty(Exception):',
      '    """Raised when there is nothing to give."""',
      '',
      'def outer():',
      '    "Counts to ten and stops there."',
      '    def inner():',
      '        """Counts one further than before."""',
      '        return 1',
      '    return inner',
    ),
    stripped: lines(
      '"""The module says what it is for."""',
      'class Cache(Base):',
      '    size = 1',
      '',
      '    @property',
      '    def oldest(self):',
      '        return self.entries[0]',
      '',
      '    def clear(self):',
      '        pass',
      '',
      'class Empty(Exception):',
      '    pass',
      '',
      'def outer():',
      '    def inner():',
      '        return 1',
      '    return inner',
    ),
    asked: [
      ['Cache.oldest', 5, 7, 'The entry that was Cache.added first.'],
      ['outer', 15, 18, 'Counts to ten and stops there.'],
    ],
  },
  'JSDoc, also above overloads, assigned functions and decorated methods': {
    file: 'src/a.ts',
    text: lines(
      '/** @license of somebody */',
      "import { x } from 'x'",
      '',
      '/**',
      ' * Adds up what it is {@link given}. More is said here.',
      ' *',
      ' * @param a one',
      ' */',
      'export function add(a: number): number',
      'export function add(a: string): string',
      'export function add(a: unknown): unknown {',
      '  return a // stays',
      '}',
      '// stays as well',
      'export class Box {',
      '  /** How wide the box is. */',
      '  width = 1',
      '  /** Opens the lid with [care](there). */',
      '  @logged',
      '  open() {',
      '    /* stays */ return this.width',
      '  }',
      '}',
      '/** Doubles each of the items given. */',
      'export const double = (items: number[]) => items.map((item) => 2 * item)',
    ),
    stripped: lines(
      '/** @license of somebody */',
      "import { x } from 'x'",
      '',
      'export function add(a: number): number',
      'export function add(a: string): string',
      'export function add(a: unknown): unknown {',
      '  return a // stays',
      '}',
      '// stays as well',
      'export class Box {',
      '  width = 1',
      '  @logged',
      '  open() {',
      '    /* stays */ return this.width',
      '  }',
      '}',
      'export const double = (items: number[]) => items.map((item) => 2 * item)',
    ),
    asked: [
      ['add', 4, 8, 'Adds up what it is given. More is said here.'],
      ['Box.open', 12, 15, 'Opens the lid with care.'],
      ['double', 17, 17, 'Doubles each of the items given.'],
    ],
  },
  'JavaScript exported by assignment or wrapped in a call': {
    file: 'lib/a.js',
    text: lines(
      '/** Greets whoever comes along first. */',
      'exports.greet = function (name) {',
      '  return name',
      '}',
      '/** Sends the farewell to them all. */',
      'Host.prototype.leave = function () {}',
      '/** Multiplies one number by another. */',
      'const times = curry(function times(a, b) { return a * b })',
    ),
    stripped: lines(
      'exports.greet = function (name) {',
      '  return name',
      '}',
      'Host.prototype.leave = function () {}',
      'const times = curry(function times(a, b) { return a * b })',
    ),
    asked: [
      ['greet', 1, 3, 'Greets whoever comes along first.'],
      ['Host.leave', 4, 4, 'Sends the farewell to them all.'],
      ['times', 5, 5, 'Multiplies one number by another.'],
    ],
  },
  'Go comments without the name that they open with by convention': {
    file: 'a.go',
    text: lines(
      '// Package a does things.',
      'package a',
      '',
      '//go:generate stringer',
      '',
      '// A comment of its own.',
      '',
      '// Server serves the pages.',
      'type Server struct {',
      '\tport int // stays',
      '}',
      '',
      '// ListenAll listens on every port of the server.',
      '// Like so:',
      '//',
      '//\ts.ListenAll()',
      'func (s *Server) ListenAll() error {',
      '\t// stays',
      '\treturn nil',
      '}',
    ),
    stripped: lines(
      '// Package a does things.',
      'package a',
      '',
      '//go:generate stringer',
      '',
      '// A comment of its own.',
      '',
      'type Server struct {',
      '\tport int // stays',
      '}',
      '',
      'func (s *Server) ListenAll() error {',
      '\t// stays',
      '\treturn nil',
      '}',
    ),
    asked: [['Server.ListenAll', 12, 15, 'Listens on every port of the server.']],
  },
  'Rust doc comments, of public items and of those in impl blocks': {
    file: 'src/a.rs',
    text: lines(
      '//! The crate says what it is for.',
      '/// Draws one card from the [`Deck`].',
      '///',
      '/// # Examples',
      '#[inline]',
      'pub fn draw() -> u8 { 1 }',
      'impl<T> Pile for Deck<T> {',
      '    /// Puts the cards in any order.',
      '    fn shuffle(&mut self) {',
      '        // stays',
      '    }',
      '}',
    ),
    stripped: lines(
      '//! The crate says what it is for.',
      '#[inline]',
      'pub fn draw() -> u8 { 1 }',
      'impl<T> Pile for Deck<T> {',
      '    fn shuffle(&mut self) {',
      '        // stays',
      '    }',
      '}',
    ),
    asked: [
      ['draw', 2, 3, 'Draws one card from the Deck.'],
      ['Deck.shuffle', 5, 7, 'Puts the cards in any order.'],
    ],
  },
  'Javadoc, not of methods without a body': {
    file: 'src/A.java',
    text: lines(
      'package a;',
      '/** The class. */',
      'public class A {',
      '  /**',
      '   * Reads the {@code bytes} of the <b>stream</b>.',
      '   * <p>Some more about it.</p>',
      '   */',
      '  @Override',
      '  public int read(int a) { return 1; }',
      '  interface B {',
      '    /** Closes whatever was opened before. */',
      '    void close();',
      '  }',
      '}',
    ),
    stripped: lines(
      'package a;',
      'public class A {',
      '  @Override',
      '  public int read(int a) { return 1; }',
      '  interface B {',
      '    void close();',
      '  }',
      '}',
    ),
    asked: [['A.read', 3, 4, 'Reads the bytes of the stream.']],
  },
  'C# summaries': {
    file: 'src/A.cs',
    text: lines(
      'namespace N {',
      '  /// <summary>The class.</summary>',
      '  public class A {',
      '    /// <summary>',
      '    /// Writes the <see cref="T:N.Token"/> to the output.',
      '    /// </summary>',
      '    /// <param name="a">one</param>',
      '    [Test]',
      '    public void Write(int a) { }',
      '  }',
      '}',
    ),
    stripped: lines(
      'namespace N {',
      '  public class A {',
      '    [Test]',
      '    public void Write(int a) { }',
      '  }',
      '}',
    ),
    asked: [['A.Write', 3, 4, 'Writes the N.Token to the output.']],
  },
}

describe('questions from documentation', () => {
  for (const [what, { file, text, stripped, asked }] of Object.entries(cases)) {
    it(`come from ${what}`, async () => {
      const result = await stripFile(file, text)
      assert.equal(result.text, stripped)
      const found = result.definitions
        .filter(({ question }) => question !== undefined)
        .map(({ symbol, startLine, endLine, question }) => [symbol, startLine, endLine, question])
      assert.deepEqual(found, asked)
    })

    it(`find the same definitions once ${what} are gone`, async () => {
      const again = await stripFile(file, stripped)
      assert.equal(again.text, stripped)
      for (const [symbol, startLine, endLine] of asked) {
        const found = again.definitions.some(
          (one) => one.symbol === symbol && one.startLine <= endLine && one.endLine >= startLine,
        )
        assert.ok(found, symbol)
      }
    })
  }

  it('leave every line that is no documentation as it was', async () => {
    const code = fc.constantFrom('x = 1', '', '# a comment', 'if x:\n    y = "a string"', "z = '''\nof two lines'''")
    const definition = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 3 })).map(([documented, statements]) => ({
      head: 'def f(a):',
      documentation: documented ? ['    """Says what it does,', '', '    at length.', '    """'] : [],
      body: Array.from({ length: statements }, (_, index) => `    a = ${String(index)}`),
    }))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(code, definition), { maxLength: 5 }), async (parts) => {
        const whole = parts.flatMap(([before, { head, documentation, body }]) => [
          before,
          head,
          ...documentation,
          ...body,
        ])
        const bare = parts.flatMap(([before, { head, body }]) => [before, head, ...body])
        assert.equal((await stripFile('a.py', whole.join('\n'))).text, bare.join('\n'))
      }),
      { numRuns: 50 },
    )
  })

  it('keep Windows line ends', async () => {
    const { text } = await stripFile('a.py', 'def f():\r\n    """Says what it does."""\r\n    return 1\r\n')
    assert.equal(text, 'def f():\r\n    return 1\r\n')
  })
})
