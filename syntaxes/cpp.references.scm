; Includes and calls of C and C++.
(preproc_include path: (_) @import)
(call_expression function: [
  (identifier) @call
  (field_expression field: (field_identifier) @call)
  (qualified_identifier name: (identifier) @call)
  (qualified_identifier name: (qualified_identifier name: (identifier) @call))
  (template_function name: (identifier) @call)
  (qualified_identifier name: (template_function name: (identifier) @call))])
(new_expression type: (type_identifier) @call)
(base_class_clause (type_identifier) @call)
