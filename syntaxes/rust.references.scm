; Imports and calls of Rust.
(use_declaration argument: (_) @import)
(extern_crate_declaration name: (_) @import)
(mod_item name: (_) @import !body)
(call_expression function: [
  (identifier) @call
  (scoped_identifier name: (_) @call)
  (field_expression field: (_) @call)
  (generic_function function: [(identifier) @call (scoped_identifier name: (_) @call) (field_expression field: (_) @call)])])
(macro_invocation macro: [(identifier) @call (scoped_identifier name: (_) @call)])
(struct_expression name: [(type_identifier) @call (scoped_type_identifier name: (_) @call)])
