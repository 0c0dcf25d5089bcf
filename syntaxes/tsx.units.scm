; Units of TSX are those of TypeScript.
