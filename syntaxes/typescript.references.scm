; Imports and calls of TypeScript beyond ecma.references.scm.
(import_require_clause source: (string) @import)
(extends_clause value: [(identifier) @call (member_expression property: (_) @call)])
(implements_clause (type_identifier) @call)
