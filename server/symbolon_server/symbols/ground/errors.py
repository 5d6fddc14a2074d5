"""The errors of the symbols floor.

SymbolError
├── MalformedSymbolFileError
│   └── NoSymbolFileError
└── DamagedPageError
"""

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class SymbolError(Exception):
    """Anything that is wrong with symbol files or pages; its text is one line for a person."""


class MalformedSymbolFileError(SymbolError):
    """The text is no symbol file of the module asked for."""


class NoSymbolFileError(MalformedSymbolFileError):
    """The text does not begin as a symbol file does, of whatever module."""


class DamagedPageError(SymbolError):
    """Bytes that are no page, directory or page file of this version: treat them as absent."""


def if_whole(read: Callable[[bytes], _T], data: bytes | None) -> _T | None:
    """Return what `read` makes of `data`, None where there is no data or it is damaged."""
    try:
        return None if data is None else read(data)
    except DamagedPageError:
        return None
