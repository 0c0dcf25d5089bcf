; Units of Go. Captures: docs in extension/workspace/definitions.ts.
(function_declaration name: (_) @name) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @receiver))
  name: (_) @name) @method
(type_spec name: (_) @name) @class
(type_alias name: (_) @name) @class
(type_declaration) @wrapper
(method_elem name: (_) @name) @function
(comment) @leading
