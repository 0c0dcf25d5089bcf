/**
 * How each language documents its functions: which nodes define something, how a definition is named and what form its
 * documentation has. Only languages whose functions are documented by convention are here; other files are read as they are
 * and ask no questions.
 */
import * as path from 'node:path'
import type { GrammarLanguage } from '../../workspace/languages'

export type LanguageName = Extract<
  GrammarLanguage,
  'python' | 'javascript' | 'typescript' | 'tsx' | 'go' | 'rust' | 'java' | 'c-sharp'
>

/** `inside`: the first string of a body; `block`: one comment that opens with two asterisks; `lines`: a run of comments. */
export type DocumentationForm = 'inside' | 'block' | 'lines'

export interface LanguageRules {
  readonly extensions: readonly string[]
  readonly form: DocumentationForm
  /** Whether a comment of this text is documentation when it stands right before a definition. */
  readonly isDocumentation: (text: string) => boolean
  /** Such a comment is documentation wherever it stands, as `///` is. */
  readonly documentsByForm: boolean
  /** Nodes with parameters and a body: what questions ask for. */
  readonly functions: ReadonlySet<string>
  /** Nodes that qualify the names of what they hold. */
  readonly scopes: ReadonlySet<string>
  /** Other nodes whose documentation is removed: fields, constants, types, signatures. */
  readonly others: ReadonlySet<string>
}

const isBlock = (text: string): boolean => /^\/\*\*[^*/]/.test(text) && !/copyright|@license|@fileoverview/i.test(text)
const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))

const script: Omit<LanguageRules, 'extensions'> = {
  form: 'block',
  isDocumentation: isBlock,
  documentsByForm: false,
  functions: set(
    'function_declaration generator_function_declaration method_definition function_expression arrow_function generator_function',
  ),
  scopes: set(
    'class_declaration abstract_class_declaration class interface_declaration internal_module module enum_declaration',
  ),
  others: set(
    'lexical_declaration variable_declaration variable_declarator public_field_definition field_definition property_signature ' +
      'method_signature abstract_method_signature function_signature type_alias_declaration assignment_expression pair ' +
      'call_signature construct_signature index_signature enum_assignment property_identifier shorthand_property_identifier',
  ),
}

export const languages: Readonly<Record<LanguageName, LanguageRules>> = {
  python: {
    extensions: ['.py', '.pyi'],
    form: 'inside',
    isDocumentation: () => false,
    documentsByForm: false,
    functions: set('function_definition'),
    scopes: set('class_definition'),
    others: new Set(),
  },
  javascript: { ...script, extensions: ['.js', '.mjs', '.cjs', '.jsx'] },
  typescript: { ...script, extensions: ['.ts', '.mts', '.cts'] },
  tsx: { ...script, extensions: ['.tsx'] },
  go: {
    extensions: ['.go'],
    form: 'lines',
    // `//go:build` and its like steer tools; they are no documentation.
    isDocumentation: (text) => !/^\/\/[a-z]+:|^\/\/\s*\+build|^\/\/nolint/.test(text),
    documentsByForm: false,
    functions: set('function_declaration method_declaration'),
    scopes: set('type_spec'),
    others: set('type_declaration const_declaration var_declaration const_spec var_spec method_elem method_spec'),
  },
  rust: {
    extensions: ['.rs'],
    form: 'lines',
    isDocumentation: (text) => /^\/\/\/(?!\/)|^\/\*\*[^*/]/.test(text),
    documentsByForm: true,
    functions: set('function_item'),
    scopes: set('impl_item trait_item mod_item struct_item enum_item union_item'),
    others: set(
      'function_signature_item const_item static_item type_item field_declaration enum_variant macro_definition ' +
        'associated_type macro_invocation use_declaration',
    ),
  },
  java: {
    extensions: ['.java'],
    form: 'block',
    isDocumentation: isBlock,
    documentsByForm: false,
    functions: set('method_declaration constructor_declaration compact_constructor_declaration'),
    scopes: set(
      'class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration',
    ),
    others: set('field_declaration constant_declaration enum_constant annotation_type_element_declaration'),
  },
  'c-sharp': {
    extensions: ['.cs'],
    form: 'lines',
    isDocumentation: (text) => /^\/\/\/(?!\/)/.test(text),
    documentsByForm: true,
    functions: set('method_declaration constructor_declaration operator_declaration conversion_operator_declaration'),
    scopes: set(
      'class_declaration interface_declaration struct_declaration record_declaration enum_declaration namespace_declaration',
    ),
    others: set(
      'property_declaration field_declaration event_declaration event_field_declaration delegate_declaration ' +
        'indexer_declaration enum_member_declaration destructor_declaration',
    ),
  },
}

export function languageOf(file: string): LanguageName | undefined {
  if (file.endsWith('.min.js')) return undefined
  const extension = path.extname(file)
  return (Object.keys(languages) as LanguageName[]).find((name) => languages[name].extensions.includes(extension))
}
