"""What a PE file says about itself and its PDB.

Debug information of Windows is not in the program. A debugger that only knows the program fetches
it by its code id, and then the PDB that it names.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId

MAX_NAME_BYTES: Final = 4096
"""Longer paths of a PDB are cut, which loses their name."""

_START_AT = 0x3C
_COFF = struct.Struct("<4s2xHI8xH2x")
"""Mark, number of sections, timestamp, size of the optional header."""

_OPTIONAL = struct.Struct("<H54xI")
"""Kind, size of the image."""

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


@dataclass(frozen=True, slots=True)
class PeIds:
    """The ids in a PE file."""

    code_id: str
    """As `normalise_pe_code_id` has it."""

    pdb: ModuleId | None
    """Name and id of the PDB; None if the file names none."""


def pdb_of(path: Path) -> ModuleId | None:
    """Return name and id of the PDB that the PE file at `path` names; None if it names none."""
    ids = read_pe(path)
    return None if ids is None else ids.pdb


def read_pe(path: Path) -> PeIds | None:
    """Return the ids of the PE file at `path`, not in a cabinet; None if it is not a PE file."""
    with path.open("rb") as file:
        try:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # an empty file
            return None
    try:
        return _read(data)
    except struct.error:
        return None


def _read(data: memoryview) -> PeIds | None:
    """Return the ids; raise `struct.error` where the file ends within its headers."""
    (start,) = struct.unpack_from("<I", data, _START_AT)
    mark, section_count, timestamp, optional_bytes = _COFF.unpack_from(data, start)
    optional = start + _COFF.size
    kind, image_bytes = _OPTIONAL.unpack_from(data, optional)
    if mark != b"PE\0\0" or kind not in _DIRECTORIES_AT:
        return None
    try:
        sections = optional + optional_bytes, section_count
        pdb = _find_pdb(data, optional + _DIRECTORIES_AT[kind], *sections)
    except (struct.error, InvalidModuleIdError):
        pdb = None
    return PeIds(f"{timestamp:08X}{image_bytes:x}", pdb)


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
