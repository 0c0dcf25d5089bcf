/**
 * Which language a file is written in, by its name, its extension or its first line, and which grammar and unit queries that
 * language is cut with. The `regex` grammar has no rules here: no file holds only a regular expression.
 */
import { basename, extname } from 'node:path'

/** Languages with a grammar in @vscode/tree-sitter-wasm and queries in syntaxes/. */
export type GrammarLanguage =
  | 'bash'
  | 'c-sharp'
  | 'cpp'
  | 'css'
  | 'go'
  | 'ini'
  | 'java'
  | 'javascript'
  | 'php'
  | 'powershell'
  | 'python'
  | 'ruby'
  | 'rust'
  | 'tsx'
  | 'typescript'

/** `text` is everything without rules of its own: it is cut by paragraphs and indentation. */
export type LanguageId = GrammarLanguage | 'markdown' | 'notebook' | 'text'

/** Query files of a language, without their endings; what JavaScript and TypeScript share is written once. */
export const queryFiles: Readonly<Record<GrammarLanguage, readonly string[]>> = {
  bash: ['bash'],
  'c-sharp': ['c-sharp'],
  cpp: ['cpp'],
  css: ['css'],
  go: ['go'],
  ini: ['ini'],
  java: ['java'],
  javascript: ['ecma', 'javascript'],
  php: ['php'],
  powershell: ['powershell'],
  python: ['python'],
  ruby: ['ruby'],
  rust: ['rust'],
  tsx: ['ecma', 'typescript', 'tsx'],
  typescript: ['ecma', 'typescript'],
}

export const grammarLanguages = Object.keys(queryFiles) as readonly GrammarLanguage[]

function table<V extends string>(entries: Readonly<Partial<Record<V, string>>>): ReadonlyMap<string, V> {
  const all = Object.entries(entries) as [V, string][]
  return new Map(all.flatMap(([value, keys]) => keys.split(' ').map((key): [string, V] => [key, value])))
}

const byExtension = table<LanguageId>({
  bash: '.sh .bash .zsh .ksh .bats .ebuild',
  'c-sharp': '.cs .csx',
  cpp: '.c .h .cc .cpp .cxx .c++ .hh .hpp .hxx .h++ .ipp .tpp .inl .cu .cuh .ino',
  css: '.css',
  go: '.go',
  ini: '.ini .cfg .editorconfig .gitconfig .service .desktop',
  java: '.java',
  javascript: '.js .mjs .cjs .jsx .es6',
  php: '.php .phtml .php5 .php7 .inc',
  powershell: '.ps1 .psm1 .psd1',
  python: '.py .pyi .pyw .bzl .bazel .star',
  ruby: '.rb .rake .gemspec .ru .podspec .jbuilder',
  rust: '.rs',
  tsx: '.tsx',
  typescript: '.ts .mts .cts',
  markdown: '.md .markdown .mdown .mkd .mdx',
  notebook: '.ipynb',
})

/** Whole names, in lower case. */
const byName = table<LanguageId>({
  bash: '.bashrc .bash_profile .bash_aliases .profile .zshrc .zshenv .zprofile pkgbuild',
  ini: '.editorconfig .gitconfig .flake8 .pylintrc .coveragerc .npmrc',
  python: 'sconstruct sconscript wscript build workspace',
  ruby: 'rakefile gemfile guardfile vagrantfile podfile capfile fastfile brewfile',
})

const byInterpreter = table<LanguageId>({
  bash: 'sh bash dash zsh ksh ash bats',
  javascript: 'node nodejs bun',
  php: 'php',
  powershell: 'pwsh powershell',
  python: 'python pypy',
  ruby: 'ruby',
  typescript: 'deno ts-node tsx',
})

/** The program named by `#!/usr/bin/env -S python3.12 -u`: `python`. */
function interpreter(text: string): string | undefined {
  const line = /^\uFEFF?#!([^\n]{1,200})/.exec(text)?.[1]
  if (line === undefined) return undefined
  const words = line.trim().split(/\s+/)
  const program = words
    .map((word) => basename(word))
    .find((word, at) => !(at === 0 && word === 'env') && !/^-|=/.test(word))
  return program?.replace(/[\d.]+$/, '')
}

/** `text` is looked at only where the name says nothing; its first line is enough. */
export function language(file: string, text = ''): LanguageId {
  const name = basename(file).toLowerCase()
  const known = byName.get(name) ?? byExtension.get(extname(name))
  if (known !== undefined) return known
  if (extname(name) !== '') return 'text'
  return byInterpreter.get(interpreter(text) ?? '') ?? 'text'
}

export function isGrammarLanguage(id: LanguageId): id is GrammarLanguage {
  return id in queryFiles
}
