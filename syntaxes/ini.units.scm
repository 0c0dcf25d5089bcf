; Units of INI files.
(section (section_name (text) @name)) @section
(comment) @leading
