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

MAX_ABBREVIATION_BYTES: Final = 1 << 22
"""Bytes of abbreviations that are looked at, for all units: the first entry of a unit mostly has
the first abbreviation, of some 25 bytes."""

_DWARF_64 = 0xFFFFFFFF
_FIRST_OF_DWARF_5 = 5
_VERSIONS: Final = range(2, 6)
_SKELETON = 4
_GNU_DWO_NAME = 0x2130
_IMPLICIT_CONSTANT = 0x21
_NUMBER_BYTES = 10
_MAX_ATTRIBUTES = 1000
_MORE = 0x80
"""The bit of a LEB128 digit that more digits follow."""


def is_split(info: SectionReader, abbreviations: bytes, order: str) -> bool:
    """Return whether a unit of `.debug_info` is a skeleton; `order` is that of `struct`."""
    search = _Abbreviations(abbreviations)
    try:
        for _ in range(MAX_UNITS):
            if _is_skeleton(info, search, order):
                return True
    except (struct.error, IndexError):  # the end, or damage, which the converter will find
        return False
    return False


def _is_skeleton(info: SectionReader, abbreviations: "_Abbreviations", order: str) -> bool:
    """Read one unit; raise `struct.error` or `IndexError` if it is not whole or not known."""
    size, offset_format = _read(info, f"{order}I"), f"{order}I"
    if size == _DWARF_64:
        offset_format = f"{order}Q"
        size = _read(info, offset_format)
    version = _read(info, f"{order}H")
    if version not in _VERSIONS:
        raise struct.error("a version of DWARF that is not known")
    if version >= _FIRST_OF_DWARF_5:
        kind = _read(info, "B")
        info.skip(size - 3)
        return kind == _SKELETON
    offset = _read(info, offset_format)
    rest = size - 2 - struct.calcsize(offset_format)
    head = info.read(min(1 + _NUMBER_BYTES, max(0, rest)))
    code, _ = _read_number(head, 1)
    info.skip(rest - len(head))
    return abbreviations.name_other_file(offset, code)


def _read(info: SectionReader, number: str) -> int:
    (value,) = struct.unpack(number, info.read(struct.calcsize(number)))
    return int(value)


class _Abbreviations:
    """The abbreviations of all units."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_ABBREVIATION_BYTES
        self._known: dict[tuple[int, int], bool] = {}

    def name_other_file(self, offset: int, code: int) -> bool:
        """Return whether entries with this abbreviation name a `.dwo`.

        `offset` is where the abbreviations of the unit are. Raises `IndexError` if it is not there,
        or is behind more bytes than are looked at.
        """
        key = (offset, code)
        if key not in self._known:
            self._known[key] = self._search(offset, code)
        return self._known[key]

    def _search(self, place: int, code: int) -> bool:
        while True:
            start = place
            number, place = _read_number(self._data, place)
            if number == 0:
                raise IndexError("an abbreviation that does not exist")
            _, place = _read_number(self._data, place)
            names_file, place = self._read_attributes(place + 1)
            self._left -= place - start
            if self._left < 0:
                raise IndexError("too many abbreviations")
            if number == code:
                return names_file

    def _read_attributes(self, place: int) -> tuple[bool, int]:
        """Return whether one of them is the name of a `.dwo`, and the place behind all."""
        found = False
        for _ in range(_MAX_ATTRIBUTES):
            attribute, place = _read_number(self._data, place)
            form, place = _read_number(self._data, place)
            if attribute == form == 0:
                return found, place
            if form == _IMPLICIT_CONSTANT:
                _, place = _read_number(self._data, place)
            found |= attribute == _GNU_DWO_NAME
        raise IndexError("too many attributes")


def _read_number(data: bytes, place: int) -> tuple[int, int]:
    """Return a LEB128 number and the place behind it; raise `IndexError` if it is not whole."""
    number = 0
    for shift in range(0, 7 * _NUMBER_BYTES, 7):
        digits = data[place]
        number |= (digits & ~_MORE) << shift
        place += 1
        if not digits & _MORE:
            return number, place
    raise IndexError("a number that is too long")
