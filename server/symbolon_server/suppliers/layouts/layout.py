"""Paths under which suppliers file a module's symbol file.

    by_debug_id   <debug file>/<DEBUG ID>/<name>.sym, as Breakpad's tools file them
    by_code_id    <code file>/<CODE ID>/<name>.sym, as Tecken and rust-minidump do for Windows
                  modules with an unknown debug id

A layout is a pure function from a module to the paths to request, in order. Each part of a path is
a file name: `ModuleId` and `AskedModule` ensure that none is empty, `.` or `..`, or contains a
separator.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote

from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import GUID_DIGITS, ModuleId

PathParts = tuple[str, ...]


class FileUse(Enum):
    """What a file is for; its content decides what it is."""

    DEBUG = "debug file"
    """Separate debug information: `.debug`, dSYM, PDB."""

    CODE = "code file"
    """The executable or library, which may contain debug information."""

    TEXT = "symbol file"
    """A Breakpad symbol file."""


class CandidatePath(NamedTuple):
    """One path below a supplier under which a module may be filed."""

    parts: PathParts
    use: FileUse

    def __str__(self) -> str:
        """Return the path for humans."""
        return "/".join(self.parts)


Layout = Callable[[AskedModule], Iterator[CandidatePath]]

_EXECUTABLES: Final = (".dll", ".exe")
"""Dropped from a symbol file's name, like `.pdb`."""


def by_debug_id(asked: AskedModule) -> Iterator[CandidatePath]:
    """Yield the path by debug id, then by its 32 digits if no caller sent an age.

    None for a debug id that stands for a code id.
    """
    if asked.is_named_by_code_id:
        return
    file, debug_id, name = symbol_file_parts(asked.module_id)
    yield CandidatePath((file, debug_id, name), FileUse.TEXT)
    if asked.lacks_age:
        yield CandidatePath((file, debug_id[:GUID_DIGITS], name), FileUse.TEXT)


def by_code_id(asked: AskedModule) -> Iterator[CandidatePath]:
    """Yield the path by code file and code id, if both are known."""
    file = asked.code_file
    if not (file and asked.code_id):
        return
    stem = file[:-4] if file.lower().endswith(_EXECUTABLES) else file
    yield CandidatePath((file, asked.code_id.upper(), f"{stem}.sym"), FileUse.TEXT)


def symbol_file_parts(module_id: ModuleId) -> tuple[str, str, str]:
    """Return the three parts of the symbol file's path by debug id."""
    return module_id.debug_file, module_id.debug_id, module_id.symbol_file_name


def quote_path(parts: PathParts) -> str:
    """Return the path for a URL, in UTF-8, percent-encoding all but letters, digits and `-._~`.

    This includes `+`, which S3 reads as a space.
    """
    return "/".join(quote(part, safe="") for part in parts)
