; Imports and calls of Python.
(import_statement name: [(dotted_name) @import (aliased_import name: (_) @import)])
(import_from_statement module_name: (_) @import)
(call function: [(identifier) @call (attribute attribute: (identifier) @call)])
(decorator [(identifier) @call (attribute attribute: (identifier) @call)])
(class_definition superclasses: (argument_list [(identifier) @call (attribute attribute: (identifier) @call)]))
