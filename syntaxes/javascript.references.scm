; Calls of JavaScript beyond ecma.references.scm.
(class_heritage [(identifier) @call (member_expression property: (_) @call)])
(jsx_opening_element name: (identifier) @call)
(jsx_self_closing_element name: (identifier) @call)
