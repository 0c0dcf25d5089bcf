/**
 * Finds the definitions of a source text and the documentation that belongs to each: docstrings in Python, doc comments
 * elsewhere. The ranges of that documentation are what a stripped text leaves out.
 */
import type { Node } from 'web-tree-sitter'
import { languages, type LanguageName, type LanguageRules } from './languages'

export interface Definition {
  /** Qualified by the classes around it: `Class.method`. */
  readonly symbol: string
  readonly name: string
  readonly role: 'function' | 'type' | 'other'
  /** A function with something to run: neither a signature nor a body of documentation alone. */
  readonly hasBody: boolean
  /** Inside another function, where a unit of its own is not to be expected. */
  readonly nested: boolean
  readonly inTests: boolean
  /** The documentation with its comment signs; undefined where there is none. */
  readonly documentation: string | undefined
  /** Offsets of the definition with its decorators and overloads. */
  readonly startIndex: number
  readonly endIndex: number
}

export interface Removal {
  readonly startIndex: number
  readonly endIndex: number
  /** What keeps the code valid in its place. */
  readonly replacement: string
}

export interface Documentation {
  readonly definitions: readonly Definition[]
  readonly removals: readonly Removal[]
}

interface Place {
  readonly scope: readonly string[]
  readonly nested: boolean
  readonly inTests: boolean
}

interface Described {
  readonly name: string
  /** What qualifies the name besides the classes around it: a receiver, an assigned object. */
  readonly owner: readonly string[]
  readonly role: Definition['role']
  readonly body: Node | undefined
  /** The nodes from the statement down to the definition, none of which is looked at again. */
  readonly chain: readonly Node[]
}

interface Found {
  readonly definitions: Definition[]
  readonly removals: Removal[]
  readonly seen: Set<number>
}

const isComment = (node: Node): boolean => node.type.endsWith('comment')
const isLead = (node: Node): boolean => node.type === 'decorator' || node.type === 'attribute_item'
const present = (nodes: readonly (Node | null)[]): Node[] => nodes.filter((node) => node !== null)
const named = (node: Node): Node[] => present(node.namedChildren)

/** `pkg::Name<T>` and `*Name[T]` are `Name`. */
const plainName = (text: string): string =>
  /([\p{L}_$][\p{L}\p{N}_$]*)\W*$/u.exec(text.replace(/[<[(].*$/s, ''))?.[1] ?? ''

function functionWithin(node: Node, rules: LanguageRules): Node | undefined {
  if (rules.functions.has(node.type)) return node
  if (node.type === 'parenthesized_expression') return named(node).map((child) => functionWithin(child, rules))[0]
  // A function handed to a wrapper, as in `const add = curry(function add(a, b) { … })`.
  if (node.type !== 'call_expression') return undefined
  return named(node.childForFieldName('arguments') ?? node).find((argument) => rules.functions.has(argument.type))
}

/** `exports.f`, `A.prototype.f` and `f` as owner and name. */
function assigned(target: Node): { owner: string[]; name: string } {
  const parts = target.text.split('.').filter((part) => !['module', 'exports', 'prototype', 'this'].includes(part))
  return { owner: parts.slice(0, -1).filter((part) => /^[\w$]+$/.test(part)), name: parts.at(-1) ?? '' }
}

function describeValue(
  name: string,
  owner: string[],
  value: Node | null,
  chain: Node[],
  rules: LanguageRules,
): Described {
  const inner = value === null ? undefined : functionWithin(value, rules)
  if (inner !== undefined) {
    const own = name === '' ? (inner.childForFieldName('name')?.text ?? '') : name
    return {
      name: own,
      owner,
      role: 'function',
      body: inner.childForFieldName('body') ?? undefined,
      chain: [...chain, inner],
    }
  }
  const isType = value !== null && rules.scopes.has(value.type)
  return { name, owner, role: isType ? 'type' : 'other', body: undefined, chain: isType ? [...chain, value] : chain }
}

function describe(node: Node, rules: LanguageRules, above: readonly Node[] = []): Described | undefined {
  const chain = [...above, node]
  switch (node.type) {
    case 'export_statement':
    case 'decorated_definition':
    case 'expression_statement':
    case 'ambient_declaration':
    case 'declaration': {
      const inner = named(node).findLast((child) => !isComment(child) && !isLead(child))
      return inner === undefined ? undefined : describe(inner, rules, chain)
    }
    case 'lexical_declaration':
    case 'variable_declaration': {
      const declarator = named(node).find((child) => child.type === 'variable_declarator')
      if (declarator === undefined) return undefined
      const name = declarator.childForFieldName('name')?.text ?? ''
      return describeValue(name, [], declarator.childForFieldName('value'), [...chain, declarator], rules)
    }
    case 'assignment_expression': {
      const left = node.childForFieldName('left')
      if (left === null || rules.form !== 'block' || !rules.others.has(node.type)) return undefined
      const { owner, name } = assigned(left)
      return describeValue(name, owner, node.childForFieldName('right'), chain, rules)
    }
    case 'pair':
    case 'public_field_definition':
    case 'field_definition': {
      const key = node.childForFieldName('key') ?? node.childForFieldName('name') ?? node.childForFieldName('property')
      return describeValue(key?.text ?? '', [], node.childForFieldName('value'), chain, rules)
    }
  }
  if (rules.functions.has(node.type)) {
    const receiver = node.type === 'method_declaration' ? node.childForFieldName('receiver') : null
    const owner = receiver === null ? [] : [plainName(receiver.text.replace(/^\(|\)$/g, ''))]
    const name = node.childForFieldName('name')?.text ?? ''
    return { name, owner, role: 'function', body: node.childForFieldName('body') ?? undefined, chain }
  }
  const name = node.childForFieldName('name')?.text ?? ''
  if (rules.scopes.has(node.type)) {
    const impl = node.type === 'impl_item' ? plainName(node.childForFieldName('type')?.text ?? '') : name
    return { name: impl, owner: [], role: 'type', body: undefined, chain }
  }
  return rules.others.has(node.type) ? { name, owner: [], role: 'other', body: undefined, chain } : undefined
}

/** The docstring of a Python definition, if its body opens with one that stands on its own. */
function docstring(body: Node | null): { statement: Node; text: string; alone: boolean } | undefined {
  const statements = body === null ? [] : named(body).filter((child) => !isComment(child))
  const statement = statements[0]
  if (statement?.type !== 'expression_statement' || statement.namedChildCount !== 1) return undefined
  const literal = statement.namedChild(0)
  if (literal === null || (literal.type !== 'string' && literal.type !== 'concatenated_string')) return undefined
  const parts = literal.descendantsOfType('string_content')
  const text = present(parts)
    .map((part) => part.text)
    .join('')
  const next = statement.nextSibling
  // After `"doc"; code` on one line the string cannot leave alone.
  if (next?.type === ';') return undefined
  return { statement, text, alone: statements.length === 1 }
}

/** The comments of those right before a definition that document it. */
function documenting(comments: readonly Node[], before: Node, rules: LanguageRules): Node[] {
  if (rules.form === 'inside') return []
  if (rules.form === 'block') {
    const last = comments.findLast((comment) => rules.isDocumentation(comment.text))
    return last === undefined ? [] : [last]
  }
  const run: Node[] = []
  let row = before.startPosition.row
  for (const comment of comments.toReversed()) {
    const text = comment.text.trimEnd()
    const end = comment.startPosition.row + text.split('\n').length - 1
    // A blank line parts a comment from what follows, and a comment behind code belongs to that code.
    if (end !== row - 1 || comment.previousSibling?.endPosition.row === comment.startPosition.row) {
      if (!(comment.previousSibling !== null && isComment(comment.previousSibling) && end === row - 1)) break
    }
    row = comment.startPosition.row
    if (rules.isDocumentation(text)) run.unshift(comment)
  }
  return run
}

/** Grammars differ in whether a line comment holds its line break; a removal never does. */
function removalOf(comment: Node): Removal {
  const endIndex = comment.startIndex + comment.text.trimEnd().length
  return { startIndex: comment.startIndex, endIndex, replacement: '' }
}

interface Overload {
  readonly symbol: string
  readonly startIndex: number
  readonly documentation: string | undefined
}

function visit(container: Node, place: Place, rules: LanguageRules, found: Found): void {
  let comments: Node[] = []
  let lead: Node | undefined
  let overload: Overload | undefined
  for (const child of named(container)) {
    if (isComment(child)) {
      comments.push(child)
      // Also inside macros, where nothing is parsed as a definition.
      if (rules.documentsByForm && rules.isDocumentation(child.text)) found.removals.push(removalOf(child))
      continue
    }
    if (isLead(child)) {
      lead ??= child
      continue
    }
    let inner = place
    const described = found.seen.has(child.id) ? undefined : describe(child, rules)
    if (described !== undefined) {
      for (const node of described.chain) found.seen.add(node.id)
      const definition = record(described, child, lead, comments, place, rules, found, overload)
      const isSignature = definition.role !== 'function' && definition.name !== ''
      overload = isSignature
        ? {
            symbol: definition.symbol,
            startIndex: definition.startIndex,
            documentation: definition.documentation,
          }
        : undefined
      inner = placeWithin(described, place)
    }
    if (child.namedChildCount > 0) visit(child, inner, rules, found)
    comments = []
    lead = undefined
  }
}

function placeWithin(described: Described, place: Place): Place {
  const kind = described.chain.at(-1)?.type ?? ''
  const qualifies =
    described.role === 'type' && described.name !== '' && !/^(mod_item|namespace_declaration)$/.test(kind)
  return {
    scope: qualifies ? [...place.scope, ...described.owner, described.name] : place.scope,
    nested: place.nested || described.role === 'function',
    inTests: place.inTests || (kind === 'mod_item' && /^tests?$/.test(described.name)),
  }
}

function record(
  described: Described,
  node: Node,
  lead: Node | undefined,
  comments: readonly Node[],
  place: Place,
  rules: LanguageRules,
  found: Found,
  overload: Overload | undefined,
): Definition {
  const symbol = [...place.scope, ...described.owner, described.name].join('.')
  const overloads = overload?.symbol === symbol ? overload : undefined
  const startIndex = overloads?.startIndex ?? lead?.startIndex ?? node.startIndex
  let documentation: string | undefined
  let hasBody = described.body !== undefined
  if (rules.form === 'inside') {
    const own = described.role === 'other' ? null : (described.chain.at(-1)?.childForFieldName('body') ?? null)
    const doc = docstring(own)
    if (doc !== undefined) {
      documentation = doc.text
      if (doc.alone) hasBody = false
      found.removals.push({
        startIndex: doc.statement.startIndex,
        endIndex: doc.statement.endIndex,
        replacement: doc.alone ? 'pass' : '',
      })
    }
  } else if (!place.nested || rules.form === 'block') {
    const documents = documenting(comments, lead ?? node, rules)
    if (documents.length > 0) documentation = documents.map((comment) => comment.text.trimEnd()).join('\n')
    if (!rules.documentsByForm) found.removals.push(...documents.map(removalOf))
  }
  const definition: Definition = {
    symbol,
    name: described.name,
    role: described.role,
    hasBody,
    nested: place.nested,
    inTests: place.inTests,
    documentation: documentation ?? overloads?.documentation,
    startIndex,
    endIndex: node.endIndex,
  }
  found.definitions.push(definition)
  return definition
}

export function findDocumentation(root: Node, language: LanguageName): Documentation {
  const found: Found = { definitions: [], removals: [], seen: new Set() }
  visit(root, { scope: [], nested: false, inTests: false }, languages[language], found)
  return found
}
