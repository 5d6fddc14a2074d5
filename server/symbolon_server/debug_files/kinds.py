"""What a file is, by its first bytes."""

from enum import Enum
from typing import Final

BEGINNING_BYTES: Final = 512
"""How many bytes `kind_of` needs."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_MAX_FAT_OBJECTS: Final = 30
"""A class file of Java begins like a Mach-O file of several objects, and has its version, from 45
on, where that one has their number."""


class FileKind(Enum):
    """Kinds of files; values are their names for people."""

    TEXT = "a Breakpad symbol file"
    ELF = "ELF"
    PE = "PE"
    PDB = "PDB"
    MACH_O = "Mach-O"
    WASM = "wasm"
    PORTABLE_PDB = "Portable PDB"
    CABINET = "a cabinet"
    UNKNOWN = "of no known format"


_MARKS: Final = {
    b"\x7fELF": FileKind.ELF,
    b"MZ": FileKind.PE,
    b"Microsoft C/C++ ": FileKind.PDB,
    b"BSJB": FileKind.PORTABLE_PDB,
    b"MSCF": FileKind.CABINET,
    b"\0asm": FileKind.WASM,
    b"\xfe\xed\xfa\xce": FileKind.MACH_O,
    b"\xfe\xed\xfa\xcf": FileKind.MACH_O,
    b"\xce\xfa\xed\xfe": FileKind.MACH_O,
    b"\xcf\xfa\xed\xfe": FileKind.MACH_O,
}

_FAT_MARKS: Final = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def kind_of(beginning: bytes) -> FileKind:
    """Return the kind of the file that begins so; `BEGINNING_BYTES` are enough."""
    for mark, kind in _MARKS.items():
        if beginning.startswith(mark):
            return kind
    if beginning.startswith(_FAT_MARKS):
        objects = int.from_bytes(beginning[4:8])
        return FileKind.MACH_O if 0 < objects < _MAX_FAT_OBJECTS else FileKind.UNKNOWN
    text = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip()
    return FileKind.TEXT if text.startswith(b"MODULE ") else FileKind.UNKNOWN
