; Units of PowerShell. Captures: docs in extension/workspace/definitions.ts.
(function_statement (function_name) @name) @function
(class_statement . (simple_name) @name) @class
(enum_statement . (simple_name) @name) @class
(class_method_definition (simple_name) @name) @function
(comment) @leading
