; Units that JavaScript and TypeScript share. Captures: docs in extension/workspace/definitions.ts.
(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: (_) @name) @function
(class name: (_) @name) @expression
(class !name) @expression

; const f = () => …, const C = class …, const api = { method() … }
(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(variable_declarator name: (identifier) @name value: (object)) @object

; const Button = memo((props) => …), const useStore = create(() => ({ …methods… }))
(variable_declarator name: (identifier) @name
  value: (call_expression function: (identifier)
    arguments: (arguments . [(arrow_function) (function_expression)] .))) @function
(variable_declarator name: (identifier) @name
  value: (call_expression function: (member_expression property: (_) @_wrap)
    arguments: (arguments . [(arrow_function) (function_expression)]))
  (#any-of? @_wrap "memo" "forwardRef")) @function
(variable_declarator name: (identifier) @name
  value: (call_expression arguments: (arguments (object)))) @object

; exports.f = function …, Foo.prototype.bar = function …
(assignment_expression left: [(identifier) (member_expression)] @name
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(assignment_expression left: [(identifier) (member_expression)] @name right: (class)) @class
(assignment_expression left: [(identifier) (member_expression)] @name right: (object)) @object

; { key: function … }
(pair key: (_) @name value: [(arrow_function) (function_expression) (generator_function)]) @function
(pair key: (_) @name value: (class)) @class
(pair key: (_) @name value: (object)) @object

; export default …
(export_statement "default" value: [(arrow_function) (function_expression) (generator_function)]
  (#set! name "default")) @function
(export_statement "default" value: (class) (#set! name "default")) @class
(export_statement "default" value: (object) (#set! name "default")) @object
(export_statement "default" value: (call_expression arguments: (arguments (object)))
  (#set! name "default")) @object

(export_statement) @wrapper
(lexical_declaration (variable_declarator value: [(arrow_function) (function_expression) (generator_function) (class) (object) (call_expression)])) @wrapper
(variable_declaration (variable_declarator value: [(arrow_function) (function_expression) (generator_function) (class) (object) (call_expression)])) @wrapper
(expression_statement (assignment_expression right: [(arrow_function) (function_expression) (generator_function) (class) (object)])) @wrapper
(decorator) @leading
(comment) @leading
