; Units of Python. Captures: docs in extension/workspace/definitions.ts.
(function_definition name: (_) @name) @function
(class_definition name: (_) @name) @class
(assignment left: (identifier) @name right: (lambda)) @function
(decorated_definition) @wrapper
(comment) @leading
