; Units of shell scripts. Captures: docs in extension/workspace/definitions.ts.
(function_definition name: (_) @name) @function
(comment) @leading
