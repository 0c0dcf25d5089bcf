; Sourced files and commands of shell scripts.
(command name: (command_name (word) @_source) . argument: [(word) (string) (concatenation)] @import
  (#any-of? @_source "source" "."))
(command name: (command_name (word) @call))
