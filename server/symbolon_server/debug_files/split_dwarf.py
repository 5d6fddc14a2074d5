"""Finds split DWARF: units whose debug information is in other files, `.dwo` or `.dwp`.

Such a unit is a skeleton. DWARF 5 marks it in the header of the unit; before, in GNU's extension,
its only entry has an attribute with the name of the other file. Neither sections nor their sizes
tell it apart: clang's ordinary DWARF 5 has `.debug_addr` too, and the units of a program may be
compiled in different ways.
"""

import struct
from typing import Final

from symbolon_server.debug_files.packed_sections import SectionReader

MAX_UNITS: Final = 200_000
"""Units that are looked at, half a second's work; a build that splits DWARF does it for most."""

MAX_ABBREVIATIONS: Final = 1_000
"""Abbreviations of a unit that are looked at; its first entry mostly has the first one."""

_DWARF_64 = 0xFFFFFFFF
_FIRST_OF_DWARF_5 = 5
_OLDEST = 2
_NEWEST = 5
_SKELETON = 4
_GNU_DWO_NAME = 0x2130
_IMPLICIT_CONSTANT = 0x21
_CODE_BYTES = 5
_MORE = 0x80
"""The bit of a LEB128 digit that more digits follow."""


def is_split(info: SectionReader, abbreviations: bytes, order: str) -> bool:
    """Return whether a unit of `.debug_info` is a skeleton; `order` is that of `struct`."""
    formats = {size: struct.Struct(order + code) for size, code in ((2, "H"), (4, "I"), (8, "Q"))}

    def read_number(size: int) -> int:
        (number,) = formats[size].unpack(info.read(size))
        return int(number)

    known: dict[tuple[int, int], bool] = {}
    try:
        for _ in range(MAX_UNITS):
            size, offset_bytes = read_number(4), 4
            if size == _DWARF_64:
                size, offset_bytes = read_number(8), 8
            version = read_number(2)
            if not _OLDEST <= version <= _NEWEST:
                return False
            if version >= _FIRST_OF_DWARF_5:
                if info.read(1) == bytes([_SKELETON]):
                    return True
                info.skip(size - 3)
                continue
            offset = read_number(offset_bytes)
            head = info.read(min(1 + _CODE_BYTES, max(0, size - 2 - offset_bytes)))
            code, _ = _read_number(head, 1)
            key = (offset, code)
            if key not in known:
                known[key] = _names_other_file(abbreviations, offset, code)
            if known[key]:
                return True
            info.skip(size - 2 - offset_bytes - len(head))
    except (struct.error, IndexError):  # the end, or damage, which the converter will find
        return False
    return False


def _names_other_file(abbreviations: bytes, offset: int, code: int) -> bool:
    """Return whether the entries of this abbreviation name a `.dwo`; raise `IndexError` if none."""
    place = offset
    for _ in range(MAX_ABBREVIATIONS):
        number, place = _read_number(abbreviations, place)
        if number == 0:
            return False
        _, place = _read_number(abbreviations, place)
        place += 1
        found = False
        while True:
            attribute, place = _read_number(abbreviations, place)
            form, place = _read_number(abbreviations, place)
            if form == _IMPLICIT_CONSTANT:
                _, place = _read_number(abbreviations, place)
            if attribute == form == 0:
                break
            found |= attribute == _GNU_DWO_NAME
        if number == code:
            return found
    return False


def _read_number(data: bytes, place: int) -> tuple[int, int]:
    """Return a LEB128 number and the place behind it."""
    number = shift = 0
    while True:
        digits = data[place]
        number |= (digits & ~_MORE) << shift
        place += 1
        if not digits & _MORE:
            return number, place
        shift += 7
