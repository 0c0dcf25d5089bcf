; Imports and calls of Java.
(import_declaration (scoped_identifier) @import)
(method_invocation name: (_) @call)
(object_creation_expression type: [(type_identifier) @call (generic_type . (type_identifier) @call)])
(superclass (type_identifier) @call)
(super_interfaces (type_list (type_identifier) @call))
