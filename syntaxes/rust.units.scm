; Units of Rust. Captures: docs in extension/workspace/definitions.ts.
(function_item name: (_) @name) @function
(function_signature_item name: (_) @name) @function
(macro_definition name: (_) @name) @function
(struct_item name: (_) @name) @class
(union_item name: (_) @name) @class
(enum_item name: (_) @name) @class
(trait_item name: (_) @name) @class
(impl_item type: (_) @name) @class
(mod_item name: (_) @name body: (_)) @class
(attribute_item) @leading
(line_comment) @leading
(block_comment) @leading
