; Imported style sheets.
(import_statement (string_value) @import)
(import_statement (call_expression (arguments (_) @import)))
