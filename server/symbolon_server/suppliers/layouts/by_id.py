"""Layouts with one folder per id: unified, debuginfod, slashsymbols.

unified        32/49d99d0c4049318610f4e4fb0b69361/debuginfo, executable, breakpad
debuginfod     buildid/dfb85de42daffd09640c8fe377d572de3e168920/debuginfo, executable
slashsymbols   libm-2.23.so/dfb85de42daffd09640c8fe377d572de3e168920/symbols
"""

from collections.abc import Iterator
from typing import Final

from symbolon_server.suppliers.layouts.format_layout import FormatLayout
from symbolon_server.suppliers.layouts.identities import FileFormat, FileIdentity
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse
from symbolon_server.symbols.ground.asked_modules import AskedModule

_FOLDER_DIGITS: Final = 2
_UNIFIED_FILES: Final = (
    ("debuginfo", FileUse.DEBUG),
    ("executable", FileUse.CODE),
    ("breakpad", FileUse.TEXT),
)


def _unified_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
    match identity.format:
        case FileFormat.PDB | FileFormat.PE:
            key = identity.debug_id.lower() if identity.has_debug_id else ""
        case FileFormat.MACH_O:
            key = identity.guid.lower()
        case _:
            key = identity.code_id
    folder, name = key[:_FOLDER_DIGITS], key[_FOLDER_DIGITS:]
    if name:
        for file, use in _UNIFIED_FILES:
            yield CandidatePath((folder, name, file), use)


def _debuginfod_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
    yield CandidatePath(("buildid", identity.code_id, "debuginfo"), FileUse.DEBUG)
    yield CandidatePath(("buildid", identity.code_id, "executable"), FileUse.CODE)


def _slashsymbols_paths(asked: AskedModule) -> Iterator[CandidatePath]:
    if asked.code_file and asked.code_id:
        for code_id in (asked.code_id.lower(), asked.code_id.upper()):
            yield CandidatePath((asked.code_file, code_id, "symbols"), FileUse.DEBUG)


UNIFIED: Final = FormatLayout(dict.fromkeys(FileFormat, _unified_paths))
"""Symbolicator's layout; PDB and PE are filed by the debug id."""

DEBUGINFOD: Final = FormatLayout({FileFormat.ELF: _debuginfod_paths})
"""The web API of elfutils, which has ELF files only."""

SLASHSYMBOLS: Final = FormatLayout({}, (_slashsymbols_paths,), needs_code_file=True)
"""By code file and code id, in lower or upper case."""
