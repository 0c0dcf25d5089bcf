; Modules and commands of PowerShell.
(command command_name: (command_name) @_import command_elements: (command_elements (generic_token) @import)
  (#any-of? @_import "Import-Module" "import-module" "ipmo"))
(command command_name: (command_name) @call)
(invokation_expression (member_name (simple_name) @call))
