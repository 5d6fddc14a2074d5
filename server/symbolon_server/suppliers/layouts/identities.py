"""What a request says about a module's files: their formats, names and ids.

Minidumps do not say which format a module has. Its names and the form of its ids do, mostly:

    xul.pdb, code id 5AB380779000                  PDB and PE: a timestamp and a size
    libm.so, code id dfb85de4…, 40 digits          ELF: the GNU build id
    crash, code id 67E9247C…, as in the debug id   Mach-O: the UUID
    app.wasm                                       wasm: the build id, the debug id's digits first

The debug id of an ELF file is the beginning of its build id with three fields in the other byte
order, so that the two tell ELF from Mach-O. The build id does not follow from it.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from symbolon_server.symbols.ground.asked_modules import (
    AskedModule,
    elf_guid,
    is_elf_library_name,
    is_windows_name,
    may_be_pe_code_id,
    normalise_pe_code_id,
)
from symbolon_server.symbols.ground.module_ids import GUID_DIGITS

_MACH_O_NAMES: Final = (".dylib", ".dsym")
_PORTABLE_AGE_DIGITS: Final = 8
"""No linker counts that far: it is the timestamp that a Portable PDB has instead of an age."""


class FileFormat(Enum):
    """The formats that layouts tell apart."""

    PDB = "PDB"
    PE = "PE"
    ELF = "ELF"
    MACH_O = "Mach-O"
    WASM = "wasm"


class FileIdentity(NamedTuple):
    """The names and ids of a module's files if they have this format."""

    format: FileFormat

    code_id: str
    """In lower case; for Mach-O and wasm it may come from the debug id. Empty if unknown."""

    guid: str
    """The first 32 digits of the debug id, in upper case."""

    age: str
    """The other digits of the debug id, in upper case."""

    debug_file: str

    code_file: str
    """Empty if only the name of a PDB is known."""

    has_debug_id: bool
    """Whether guid and age are those of a debug id, not digits that stand for a code id."""

    @property
    def debug_id(self) -> str:
        """Return guid and age, in upper case."""
        return self.guid + self.age

    @property
    def is_portable(self) -> bool:
        """Return whether the PDB is a Portable PDB."""
        return len(self.age) == _PORTABLE_AGE_DIGITS

    @property
    def pe_code_id(self) -> str:
        """Return the code id of a PE file as symbol servers have it."""
        return normalise_pe_code_id(self.code_id)


def identities_of(asked: AskedModule) -> Iterator[FileIdentity]:
    """Yield an identity for each format that the module's files may have, the likely ones first."""
    debug_file, debug_id = asked.module_id
    guid = debug_id[:GUID_DIGITS]
    code_file = asked.code_file or ("" if _ends(debug_file, ".pdb") else debug_file)
    for file_format in _formats_of(asked):
        code_id = asked.code_id.lower()
        if not code_id and file_format in (FileFormat.MACH_O, FileFormat.WASM):
            code_id = guid.lower()
        for age in _ages_of(asked, file_format):
            has_debug_id = not asked.is_named_by_code_id
            yield FileIdentity(file_format, code_id, guid, age, debug_file, code_file, has_debug_id)


def may_be_elf(asked: AskedModule) -> bool:
    """Return whether nothing says that the module is of another format."""
    return not (
        _is_named(asked, *_MACH_O_NAMES, ".wasm") or _is_windows(asked) or _is_mach_o(asked)
    )


def is_windows_without_pdb(asked: AskedModule) -> bool:
    """Return whether debug information can only be in the PE itself, as MinGW puts it there."""
    return _is_windows(asked) and not _ends(asked.module_id.debug_file, ".pdb")


def _formats_of(asked: AskedModule) -> Iterator[FileFormat]:
    if _is_named(asked, ".wasm"):
        yield FileFormat.WASM
    elif _is_windows(asked):
        if _ends(asked.module_id.debug_file, ".pdb") and not asked.is_named_by_code_id:
            yield FileFormat.PDB
        yield FileFormat.PE
    elif _is_mach_o(asked):
        yield FileFormat.MACH_O
    else:
        if _may_be_build_id(asked.code_id):
            yield FileFormat.ELF
        if _may_be_mach_o(asked):
            yield FileFormat.MACH_O


def _ages_of(asked: AskedModule, file_format: FileFormat) -> tuple[str, ...]:
    age = asked.module_id.debug_id[GUID_DIGITS:]
    # A PDB's age is 1 unless it was linked incrementally.
    is_unknown = asked.lacks_age and file_format is FileFormat.PDB
    return ("1", age) if is_unknown else (age,)


def _is_windows(asked: AskedModule) -> bool:
    if is_windows_name(asked.module_id.debug_file) or is_windows_name(asked.code_file):
        return True
    return may_be_pe_code_id(asked.code_id) and not _is_elf(asked)


def _is_elf(asked: AskedModule) -> bool:
    """Return whether the debug id is made of the code id as for ELF."""
    if not _may_be_build_id(asked.code_id):
        return False
    return elf_guid(asked.code_id) == asked.module_id.debug_id[:GUID_DIGITS]


def _may_be_build_id(code_id: str) -> bool:
    """Return whether it is whole bytes.

    debuginfod answers others with 503, as if it were in trouble, and would be left alone for all.
    """
    return bool(code_id) and len(code_id) % 2 == 0


def _is_mach_o(asked: AskedModule) -> bool:
    if _is_named(asked, *_MACH_O_NAMES):
        return True
    is_uuid = asked.code_id.upper() == asked.module_id.debug_id[:GUID_DIGITS]
    return is_uuid and not _is_elf(asked) and not _is_named_shared_object(asked)


def _may_be_mach_o(asked: AskedModule) -> bool:
    """Return whether the module may have a UUID, which a Mach-O file has instead of an age."""
    if _is_named_shared_object(asked) or asked.module_id.debug_id[GUID_DIGITS:] != "0":
        return False
    return not asked.code_id or (len(asked.code_id) == GUID_DIGITS and not _is_elf(asked))


def _is_named_shared_object(asked: AskedModule) -> bool:
    return is_elf_library_name(asked.module_id.debug_file) or is_elf_library_name(asked.code_file)


def _is_named(asked: AskedModule, *endings: str) -> bool:
    return _ends(asked.module_id.debug_file, *endings) or _ends(asked.code_file, *endings)


def _ends(name: str, *endings: str) -> bool:
    return name.lower().endswith(endings)
