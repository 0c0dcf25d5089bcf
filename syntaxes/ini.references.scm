; INI files refer to nothing.
