"""The packages of the extra `native`, imported when the first file needs them."""

import importlib
from typing import Any, Final

from symbolon_server.debug_files.kinds import FileKind
from symbolon_server.symbols.ground.errors import UnsupportedFileError

_PACKAGES: Final = ("symbolic", "archi")
_TROUBLE: Final = (ImportError, OSError)
"""Raised by an import; `OSError`: its library does not fit this system."""


def symbolic_for(kind: FileKind) -> Any:
    """Return `symbolic`; raise `UnsupportedFileError` if it is not installed."""
    return _package("symbolic", kind)


def archi_for(kind: FileKind) -> Any:
    """Return `archi`, Python's access to libarchive; raise `UnsupportedFileError` likewise."""
    return _package("archi", kind)


def find_missing_packages() -> list[str]:
    """Return the packages of the extra that cannot be imported here."""
    return [name for name in _PACKAGES if not _can_import(name)]


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except _TROUBLE:
        return False
    return True


def _package(name: str, kind: FileKind) -> Any:
    try:
        return importlib.import_module(name)
    except _TROUBLE as error:
        message = f"cannot read {kind.value}: install the extra 'native'"
        raise UnsupportedFileError(message) from error
