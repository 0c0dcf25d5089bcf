; Units of CSS: rules and at-rules, named by what stands before their block.
(rule_set) @section
(media_statement) @section
(supports_statement) @section
(keyframes_statement) @section
(scope_statement) @section
(at_rule (block)) @section
(comment) @leading
