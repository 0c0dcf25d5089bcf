; Units of C#. Captures: docs in extension/workspace/definitions.ts.
(class_declaration name: (_) @name) @class
(struct_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @class
(record_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(delegate_declaration name: (_) @name) @class
(method_declaration name: (_) @name) @function
(constructor_declaration name: (_) @name) @function
(destructor_declaration (#set! name "Finalize")) @function
(operator_declaration operator: _ @name) @function
(conversion_operator_declaration type: (_) @name) @function
(indexer_declaration (#set! name "this[]")) @function
(property_declaration name: (_) @name) @function
(event_declaration name: (_) @name) @function
(local_function_statement name: (_) @name) @function
(comment) @leading
