/** Random ignore rules, paths and trees, made of few pieces so that they meet. */
import fc from 'fast-check'
import type { Tree } from './tree'

const piece = fc.constantFrom(
  ...[
    'a',
    'b',
    'ab',
    'x',
    '.c',
    '-',
    ']',
    '[',
    '!',
    '^',
    '#',
    ' ',
    '\\',
    '*',
    '**',
    '?',
    '/',
    '**/',
    '/**',
    'é',
    '\t',
    '\r',
    '{',
    '+',
    '$',
    '(',
    ':',
  ],
  ...[
    '[a-c]',
    '[!a]',
    '[^b]',
    '[]a]',
    '[!]a]',
    '[[:alpha:]]',
    '[[:digit:][:space:]x]',
    '[[:no:]]',
    '[a',
    '[\\]]',
    '[a\\-c]',
    '[--/]',
    '[c-a]',
    '[a-]',
    '[/]',
  ],
  ...['\\*', '\\?', '\\[', '\\ ', '\\!', '\\#', '\\\\'],
)
/** A line of an ignore file, mostly odd. */
export const pattern = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(''))
const name = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      'c',
      'ab',
      'x',
      '.c',
      '-',
      ']',
      '[',
      '!',
      '^',
      '#',
      ' ',
      '\\',
      '*',
      '?',
      'é',
      '\t',
      '\n',
      '{',
      '+',
      '1',
      ':',
      '$',
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => text !== '.' && text !== '..')
export const somePath = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))

/** Names that no built-in rule knows, and few enough that rules meet them. */
const plainName = fc.constantFrom('a', 'b', 'c', 'a.x', 'b.x', 'a.y', 'é', 'a b', '-c')
const treePath = fc.array(plainName, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const plainRule = fc
  .tuple(
    fc.constantFrom('', '', '!'),
    fc.constantFrom('', '', '/', '**/'),
    fc.array(fc.constantFrom('a', 'b', 'c', '*', '?', '*.x', '**', '[ab]', '[!a]', 'é', 'a b', '*c', 'a*'), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.constantFrom('', '', '/', '/*', '/**'),
  )
  .map(([not, start, parts, end]) => not + start + parts.join('/') + end)
const ignoreFile = fc.array(plainRule, { minLength: 1, maxLength: 6 }).map((rules) => `${rules.join('\n')}\n`)

export interface RandomTree {
  readonly files: readonly string[]
  readonly ignoreFiles: readonly (readonly [string, string])[]
  readonly exclude: string
  readonly global: string
}

export const randomTree: fc.Arbitrary<RandomTree> = fc.record({
  files: fc.array(treePath, { minLength: 3, maxLength: 14 }),
  ignoreFiles: fc.array(fc.tuple(fc.oneof(fc.constant(''), treePath), ignoreFile), { maxLength: 4 }),
  exclude: fc.oneof(fc.constant(''), ignoreFile),
  global: fc.oneof(fc.constant(''), ignoreFile),
})

/** Leaves out what cannot be beside the rest: a file of the same name as a folder. */
export function treeOf({ files, ignoreFiles }: RandomTree): Tree {
  const tree: Record<string, string> = {}
  const all = [
    ...ignoreFiles.map(([folder, rules]) => [folder === '' ? '.gitignore' : `${folder}/.gitignore`, rules] as const),
  ]
  for (const [file, content] of [...all, ...files.map((file) => [file, 'text\n'] as const)]) {
    const others = Object.keys(tree)
    const parents = file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))
    if (!others.some((other) => other.startsWith(`${file}/`) || parents.includes(other))) tree[file] = content
  }
  return tree
}
