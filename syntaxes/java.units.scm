; Units of Java. Captures: docs in extension/workspace/definitions.ts.
(class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(record_declaration name: (_) @name) @class
(annotation_type_declaration name: (_) @name) @class
(method_declaration name: (_) @name) @function
(constructor_declaration name: (_) @name) @function
(compact_constructor_declaration name: (_) @name) @function
(annotation_type_element_declaration name: (_) @name) @function
(line_comment) @leading
(block_comment) @leading
