"""The errors of the symbols floor.

SymbolError
├── MalformedSymbolFileError
│   ├── NoSymbolFileError
│   ├── NoSymbolsError
│   ├── OtherModuleError
│   └── UnsupportedFileError
└── DamagedPageError
"""

from collections.abc import Callable
from typing import TypeVar

from symbolon_server.symbols.ground.module_ids import ModuleId

_T = TypeVar("_T")


class SymbolError(Exception):
    """Any error in symbol files or pages; its text is one line for people to read."""


class MalformedSymbolFileError(SymbolError):
    """The file is not a symbol file of the requested module."""


class NoSymbolFileError(MalformedSymbolFileError):
    """The text does not start like any symbol file."""


class NoSymbolsError(MalformedSymbolFileError):
    """The file is the module's, and has no symbols: they are in another file, or stripped."""

    def __init__(self, detail: str, debug_module: ModuleId | None = None) -> None:
        """Say in `debug_module` where the symbols are, if the file tells."""
        super().__init__(detail)
        self.debug_module = debug_module


class OtherModuleError(MalformedSymbolFileError):
    """The file is another module's: its id is not the requested one, or it has none."""


class UnsupportedFileError(MalformedSymbolFileError):
    """The file is of a format that this server cannot read, or that has no native symbols."""


class DamagedPageError(SymbolError):
    """Not a valid page, directory or page file of this version: treat it as absent."""


def if_whole(read: Callable[[bytes], _T], data: bytes | None) -> _T | None:
    """Return what `read` returns for `data`, or None if `data` is absent or damaged."""
    try:
        return None if data is None else read(data)
    except DamagedPageError:
        return None
