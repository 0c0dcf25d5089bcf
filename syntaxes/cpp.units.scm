; Units of C and C++. Captures: docs in extension/workspace/definitions.ts.
(function_definition declarator: (_) @declarator) @function
(class_specifier name: (_) @name body: (_)) @class
(struct_specifier name: (_) @name body: (_)) @class
(union_specifier name: (_) @name body: (_)) @class
(enum_specifier name: (_) @name body: (_)) @class
(concept_definition name: (_) @name) @class
(namespace_definition name: (_) @name) @scope
; typedef struct { … } name;
(type_definition type: [(struct_specifier !name body: (_)) (union_specifier !name body: (_)) (enum_specifier !name body: (_))]
  declarator: (type_identifier) @name) @class
(preproc_function_def name: (_) @name) @function
; Prototypes, where only declarations can stand.
(field_declaration declarator: (_) @declarator) @prototype
(translation_unit (declaration declarator: (_) @declarator) @prototype)
(declaration_list (declaration declarator: (_) @declarator) @prototype)
(field_declaration_list (declaration declarator: (_) @declarator) @prototype)
(preproc_ifdef (declaration declarator: (_) @declarator) @prototype)
(preproc_if (declaration declarator: (_) @declarator) @prototype)
(template_declaration (declaration declarator: (_) @declarator) @prototype)
(declaration declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression))) @function
(template_declaration) @wrapper
(type_definition type: (_ body: (_))) @wrapper
(declaration type: (_ body: (_))) @wrapper
(comment) @leading
