"""What a PE file says about its PDB.

Debug information of Windows is not in the program. A debugger that only knows the program fetches
it by its code id, and then the PDB that it names.
"""

import struct
from typing import Final

from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId

MAX_NAME_BYTES: Final = 4096
"""Longer paths of a PDB are cut, which loses their name."""

_START_AT = 0x3C
_COFF = struct.Struct("<4s2xH12xH2x")
"""Mark, number of sections, size of the optional header."""

_KIND = struct.Struct("<H")

_DIRECTORIES_AT: Final = {0x10B: 96, 0x20B: 112}
"""Where the table of directories begins in the optional header, in files of 32 and 64 bits."""

_DEBUG_DIRECTORY = 6
_SPAN = struct.Struct("<II")
_SECTION = struct.Struct("<8xIIII16x")
"""Size in memory, address, size in the file, offset in the file."""

_DEBUG_ENTRY = struct.Struct("<12xII4xI")
"""Kind, size, offset in the file."""

_CODE_VIEW = 2
_RSDS = struct.Struct("<4sIHH8sI")
"""Mark, GUID in its three numbers and the rest, age."""

_MAX_ENTRIES = 64


def find_pdb(data: memoryview) -> ModuleId | None:
    """Return name and id of the PDB that a PE file names; None if it names none or is damaged."""
    try:
        (start,) = struct.unpack_from("<I", data, _START_AT)
        mark, section_count, optional_bytes = _COFF.unpack_from(data, start)
        optional = start + _COFF.size
        (kind,) = _KIND.unpack_from(data, optional)
        if mark != b"PE\0\0" or kind not in _DIRECTORIES_AT:
            return None
        sections = optional + optional_bytes, section_count
        return _find_pdb(data, optional + _DIRECTORIES_AT[kind], *sections)
    except (struct.error, InvalidModuleIdError):
        return None


def _find_pdb(
    data: memoryview, directories: int, sections: int, section_count: int
) -> ModuleId | None:
    (count,) = struct.unpack_from("<I", data, directories - 4)
    if count <= _DEBUG_DIRECTORY:
        return None
    address, size = _SPAN.unpack_from(data, directories + _DEBUG_DIRECTORY * _SPAN.size)
    for number in range(section_count):
        row = _SECTION.unpack_from(data, sections + number * _SECTION.size)
        memory_bytes, first, file_bytes, offset = row
        if first <= address < first + max(memory_bytes, file_bytes):
            return _find_in_directory(data, address - first + offset, size)
    return None


def _find_in_directory(data: memoryview, at: int, size: int) -> ModuleId | None:
    for number in range(min(size // _DEBUG_ENTRY.size, _MAX_ENTRIES)):
        kind, length, offset = _DEBUG_ENTRY.unpack_from(data, at + number * _DEBUG_ENTRY.size)
        if kind == _CODE_VIEW and bytes(data[offset : offset + 4]) == b"RSDS":
            return _read_record(data[offset : offset + min(length, MAX_NAME_BYTES)])
    return None


def _read_record(record: memoryview) -> ModuleId:
    _, first, second, third, rest, age = _RSDS.unpack_from(record)
    path = bytes(record[_RSDS.size :]).split(b"\0")[0].decode(errors="replace")
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return ModuleId.parse(name, f"{first:08X}{second:04X}{third:04X}{rest.hex()}{age:X}")
