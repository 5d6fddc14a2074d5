"""The errors of the symbols floor.

SymbolError
├── MalformedSymbolFileError
└── DamagedPageError
"""


class SymbolError(Exception):
    """Anything that is wrong with symbol files or pages; its text is one line for a person."""


class MalformedSymbolFileError(SymbolError):
    """The text is no symbol file of the module asked for."""


class DamagedPageError(SymbolError):
    """Bytes that are no page, directory or page file of this version: treat them as absent."""
