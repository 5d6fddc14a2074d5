"""The layout `native`: what each platform's debugger reads, and symbol files as by debug id.

    GDB       df/b85de42daffd09640c8fe377d572de3e168920.debug, without `.debug` for the ELF file
    LLDB      67E9/247C/814E/392B/A027/DBDE6748FCBF, with `.app` for the Mach-O file
    Windows   crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb, as symstore
    wasm      67/e9247c….debug, without `.debug` for the module

Debian keeps the first of these in `/usr/lib/debug/.build-id`.
"""

from collections.abc import Iterator
from typing import Final

from symbolon_server.suppliers.layouts.format_layout import FormatLayout
from symbolon_server.suppliers.layouts.identities import FileFormat, FileIdentity, identities_of
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse, by_debug_id
from symbolon_server.suppliers.layouts.symbol_servers import Compressed, windows_rules
from symbolon_server.symbols.ground.asked_modules import AskedModule

_FOLDER_DIGITS: Final = 2
_UUID_PARTS: Final = ((0, 4), (4, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def native(compressed: Compressed) -> FormatLayout:
    """Return the layout; symbol files come last."""
    rules = {
        **windows_rules(compressed),
        FileFormat.ELF: _build_id_paths,
        FileFormat.MACH_O: _uuid_paths,
        FileFormat.WASM: _build_id_paths,
    }
    return FormatLayout(rules, (_symbol_files,), needs_pe_code_id=True)


def _build_id_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
    folder, file = identity.code_id[:_FOLDER_DIGITS], identity.code_id[_FOLDER_DIGITS:]
    if file:
        yield CandidatePath((folder, f"{file}.debug"), FileUse.DEBUG)
        yield CandidatePath((folder, file), FileUse.CODE)


def _uuid_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
    *folders, file = (identity.guid[start:end] for start, end in _UUID_PARTS)
    yield CandidatePath((*folders, file), FileUse.DEBUG)
    yield CandidatePath((*folders, f"{file}.app"), FileUse.CODE)


def _symbol_files(asked: AskedModule) -> Iterator[CandidatePath]:
    """Yield the paths by debug id; no tool writes symbol files of wasm."""
    if all(identity.format is not FileFormat.WASM for identity in identities_of(asked)):
        yield from by_debug_id(asked)
