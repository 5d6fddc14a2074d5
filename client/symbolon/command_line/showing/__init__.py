"""How answers are printed: JSON, text or tables, to standard output or a file, with progress."""
