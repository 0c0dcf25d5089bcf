; Units of Ruby. Captures: docs in extension/workspace/definitions.ts.
(class name: (_) @name) @class
(module name: (_) @name) @class
(singleton_class) @scope
(method name: (_) @name) @function
(singleton_method name: (_) @name) @function
(comment) @leading
; private def …, memoize def …
(call arguments: (argument_list . [(method) (singleton_method)] .)) @wrapper
; Book = Struct.new(:title) do … end
(assignment left: (constant) @name right: (call block: (_))) @object
