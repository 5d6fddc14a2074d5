"""The packages of the extra `native`, imported when the first file needs them."""

import importlib.util
from typing import Any

from symbolon_server.debug_files.kinds import FileKind
from symbolon_server.symbols.ground.errors import UnsupportedFileError

_PACKAGES = ("symbolic", "archi")


def missing_packages() -> list[str]:
    """Return those of the extra's packages that cannot be imported here."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def symbolic_for(kind: FileKind) -> Any:
    """Return `symbolic`; raise `UnsupportedFileError` if it is not installed."""
    return _package("symbolic", kind)


def archi_for(kind: FileKind) -> Any:
    """Return `archi`, Python's access to libarchive; raise `UnsupportedFileError` likewise."""
    return _package("archi", kind)


def _package(name: str, kind: FileKind) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: its library does not fit this system
        message = f"cannot read {kind.value}: install the extra 'native'"
        raise UnsupportedFileError(message) from error
