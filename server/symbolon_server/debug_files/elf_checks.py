"""What is wrong with an ELF file, or missing, before it is converted.

`symbolic` gives no error for what it cannot follow: it leaves out lines or names, or cuts an
address of 64 bits to 32. And a compressed section that claims to be larger than the memory ends
the process. All of that can be seen in tables that are small.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from symbolon_server.debug_files.elf_layout import LOADED, ElfLayout, Section, by_debug_name
from symbolon_server.debug_files.packed_sections import SectionReader, check_sizes, read_packing
from symbolon_server.debug_files.split_dwarf import is_split
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError, UnsupportedFileError

SPLIT_DWARF: Final = "split DWARF (.dwo) is not read: lines and inline frames are missing"
ALTERNATE_FILE: Final = (
    "the file of .gnu_debugaltlink (dwz) is not read: names of inline frames are missing"
)

ADDRESSES: Final = 1 << 32
"""How many module offsets a SymCache can have."""

_MAX_ABBREVIATION_BYTES = 1 << 26

_INFO = b".debug_info"
_ABBREVIATIONS = b".debug_abbrev"
_ADDRESSES = b".debug_addr"
"""Without it, no unit with code is a skeleton."""

_RELOCATABLE = 1
_EXECUTABLE_SEGMENT = 1
_EXECUTABLE_SECTION = 4
_SYMBOL_TABLES = {2, 11}
_FUNCTION = 2
_TYPE_OF_SYMBOL = 0xF


def check_elf(data: memoryview, max_unpacked_bytes: int) -> tuple[str, ...]:
    """Return notes of what answers will lack.

    Raises `MalformedSymbolFileError` if the file would end the process or give wrong answers, and
    `UnsupportedFileError` if its addresses are not final.
    """
    elf = ElfLayout(data)
    if elf.type == _RELOCATABLE:
        raise UnsupportedFileError("it is an object file that is not linked")
    sections = elf.sections()
    check_sizes(elf, sections, max_unpacked_bytes)
    _check_addresses(elf, sections)
    by_name = by_debug_name(sections)
    if not (info := by_name.get(_INFO)) or not len(info.content):
        return ()  # Debian's strip leaves .gnu_debugaltlink in files without debug information
    notes = []
    if by_name.keys() >= {_ADDRESSES, _ABBREVIATIONS} and _is_split(elf, by_name):
        notes.append(SPLIT_DWARF)
    if b".gnu_debugaltlink" in by_name:
        notes.append(ALTERNATE_FILE)
    return tuple(notes)


def _check_addresses(elf: ElfLayout, sections: Sequence[Section]) -> None:
    """Refuse code and functions that are 4 GiB or more after the first segment."""
    base = elf.base()
    ends = [
        segment.address + segment.memory_bytes
        for segment in elf.segments()
        if segment.type == LOADED and segment.flags & _EXECUTABLE_SEGMENT
    ]
    if max(ends, default=0) - base > ADDRESSES:
        raise MalformedSymbolFileError("its code ends 4 GiB or more after its start")
    are_code = np.array([section.flags & _EXECUTABLE_SECTION for section in sections], np.bool_)
    for section in sections:
        if section.type not in _SYMBOL_TABLES:
            continue
        symbols = elf.symbols(section)
        numbers = symbols["section"]
        symbols = symbols[
            (symbols["info"] & _TYPE_OF_SYMBOL == _FUNCTION) & (numbers < len(are_code))
        ]
        functions = symbols["value"][are_code[symbols["section"]]].astype(np.uint64)
        if (functions - np.uint64(base) >= ADDRESSES).any():
            raise MalformedSymbolFileError("it has functions 4 GiB or more after its start")


def _is_split(elf: ElfLayout, by_name: Mapping[bytes, Section]) -> bool:
    info, abbreviations = (
        SectionReader(read_packing(elf, by_name[name])) for name in (_INFO, _ABBREVIATIONS)
    )
    return is_split(info, abbreviations.read(_MAX_ABBREVIATION_BYTES), elf.order)
