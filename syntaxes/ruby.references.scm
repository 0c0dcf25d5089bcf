; Requires and calls of Ruby.
(call method: (identifier) @_require arguments: (argument_list . (string) @import)
  (#any-of? @_require "require" "require_relative" "load" "autoload"))
(call method: (identifier) @call)
(superclass [(constant) @call (scope_resolution name: (_) @call)])
(call receiver: [(constant) @call (scope_resolution name: (_) @call)] method: (identifier) @_new (#eq? @_new "new"))
