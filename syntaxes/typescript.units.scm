; Units of TypeScript beyond ecma.units.scm.
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @class
(type_alias_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(internal_module name: (_) @name) @class
(module name: (_) @name) @class
(function_signature name: (_) @name) @function
(method_signature name: (_) @name) @function
(abstract_method_signature name: (_) @name) @function
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @function
; const table = { … } as const, … satisfies Table
(variable_declarator name: (identifier) @name value: [(as_expression (object)) (satisfies_expression (object))]) @object
(lexical_declaration (variable_declarator value: [(as_expression (object)) (satisfies_expression (object))])) @wrapper
(ambient_declaration) @wrapper
(expression_statement (internal_module)) @wrapper
