"""Finds in which directory each unit was compiled: its line table has that from DWARF 5 on only.

Only the first entry of each unit of `.debug_info` is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from symbolon_server.debug_files.packed_sections import SectionReader
from symbolon_server.symbols.native.dwarf_cursor import (
    ByteOrder,
    Cursor,
    DamagedDwarfError,
    string_at,
)
from symbolon_server.symbols.native.line_headers import LINE_STRINGS, STRINGS, DwarfSections

INFO: Final = b".debug_info"
ABBREVIATIONS: Final = b".debug_abbrev"

MAX_UNITS: Final = 200_000
MAX_ENTRY_BYTES: Final = 1 << 14
"""What is looked at of a first entry, which may have two paths in it."""

MAX_ABBREVIATION_BYTES: Final = 1 << 24
"""What is read of all abbreviations together, and how many attributes of entries: some 20 bytes and
10 attributes of each unit, unless the file lies."""

_HEADER_BYTES: Final = 12
_VERSIONS: Final = range(2, 6)
_FIRST_WITH_KINDS: Final = 5
_KINDS: Final = frozenset({1, 3})
"""Kinds of units of DWARF 5 that have a line table and are no skeleton: compile and partial."""

_STATEMENTS, _DIRECTORY = 0x10, 0x1B
_STRING, _STRP, _LINE_STRP, _IMPLICIT = 0x08, 0x0E, 0x1F, 0x21
_ADDRESS, _OFFSETS = 0x01, frozenset({_STRP, 0x10, 0x17, _LINE_STRP, 0x1F20, 0x1F21})
_NUMBERS: Final = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23})
_BLOCKS: Final = {0x03: 2, 0x04: 4, 0x0A: 1}
_FORMS_BY_SIZE: Final = {
    0: (0x19,),
    1: (0x0B, 0x0C, 0x11, 0x25, 0x29),
    2: (0x05, 0x12, 0x26, 0x2A),
    3: (0x27, 0x2B),
    4: (0x06, 0x13, 0x1C, 0x28, 0x2C),
    8: (0x07, 0x14, 0x20, 0x24),
    16: (0x1E,),
}
_SIZES: Final = {form: size for size, forms in _FORMS_BY_SIZE.items() for form in forms}
"""Bytes of the forms whose size is always the same."""

_BLOCK_FORMS: Final = frozenset({0x09, 0x18})


def find_directories(info: SectionReader, sections: DwarfSections) -> dict[int, bytes]:
    """Return the directory of each unit by the place of its line table.

    It ends early where a unit is damaged, and leaves out what it does not know.
    """
    found: dict[int, bytes] = {}
    abbreviations = _Abbreviations(sections)
    try:
        for _ in range(MAX_UNITS):
            head = _read_head(info, sections.order)
            if head is None:
                break
            entry = _read_entry(head, sections, abbreviations)
            if entry is not None:
                found.setdefault(*entry)
    except DamagedDwarfError:
        pass
    return found


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a unit."""

    cursor: Cursor
    offset_bytes: int


def _read_head(info: SectionReader, order: ByteOrder) -> _Head | None:
    """Return the next unit's beginning, behind its length; None at the end."""
    start = info.read(_HEADER_BYTES)
    if len(start) < _HEADER_BYTES:
        return None
    cursor = Cursor(memoryview(start), 0, len(start), order)
    length, offset_bytes = cursor.length()
    rest = length - (len(start) - cursor.place)
    data = start[cursor.place :] + info.read(max(0, min(rest, MAX_ENTRY_BYTES)))
    info.skip(rest - MAX_ENTRY_BYTES)
    return _Head(Cursor(memoryview(data), 0, min(len(data), length), order), offset_bytes)


def _read_entry(
    head: _Head, sections: DwarfSections, abbreviations: "_Abbreviations"
) -> tuple[int, bytes] | None:
    """Return the place of a unit's line table, and its directory, if it has both."""
    cursor, offset_bytes = head.cursor, head.offset_bytes
    version = cursor.number(2)
    if version not in _VERSIONS:
        raise DamagedDwarfError(f"a unit's version is {version}")
    if version >= _FIRST_WITH_KINDS:
        kind, address_bytes, place = cursor.number(1), cursor.number(1), cursor.number(offset_bytes)
        if kind not in _KINDS:
            return None
    else:
        place, address_bytes = cursor.number(offset_bytes), cursor.number(1)
    values = _Values(cursor, sections, offset_bytes, address_bytes)
    statements = directory = None
    for attribute, form in abbreviations.attributes_at(place, cursor.leb128()):
        value = values.read(form, is_wanted=attribute == _DIRECTORY)
        if attribute == _STATEMENTS and isinstance(value, int):
            statements = value
        elif attribute == _DIRECTORY and isinstance(value, bytes):
            directory = value
        if statements is not None and directory is not None:
            return statements, directory
    return None


class _Abbreviations:
    """The attributes and forms of first entries."""

    def __init__(self, sections: DwarfSections) -> None:
        self._data, self._order = sections.read(ABBREVIATIONS), sections.order
        self._known: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._left = MAX_ABBREVIATION_BYTES

    def attributes_at(self, place: int, code: int) -> list[tuple[int, int]]:
        """Return attribute and form of each value of entries with this abbreviation."""
        key = place, code
        if key not in self._known:
            self._known[key] = self._search(place, code)
        attributes = self._known[key]
        self._left -= len(attributes)
        if self._left < 0:
            raise DamagedDwarfError("its entries have too many attributes")
        return attributes

    def _search(self, place: int, code: int) -> list[tuple[int, int]]:
        # The first entry has one of the first abbreviations.
        end = place + min(MAX_ENTRY_BYTES, self._left)
        cursor = Cursor(self._data, place, end, self._order)
        try:
            while number := cursor.leb128():
                cursor.leb128()  # its tag
                cursor.take(1)
                attributes = list(_read_attributes(cursor))
                if number == code:
                    return attributes
        finally:
            self._left -= cursor.place - place
        raise DamagedDwarfError("an abbreviation does not exist")


def _read_attributes(cursor: Cursor) -> Iterator[tuple[int, int]]:
    while True:
        attribute, form = cursor.leb128(), cursor.leb128()
        if form == _IMPLICIT:
            cursor.leb128()
        if attribute == form == 0:
            return
        yield attribute, form


class _Values:
    """Reads the values of one entry."""

    def __init__(
        self, cursor: Cursor, sections: DwarfSections, offset_bytes: int, address_bytes: int
    ) -> None:
        self._cursor, self._sections = cursor, sections
        self._offset_bytes, self._address_bytes = offset_bytes, address_bytes

    def read(self, form: int, *, is_wanted: bool) -> int | bytes | None:
        """Return the next value: a number, or a string if that `is_wanted`; else None."""
        cursor = self._cursor
        if form in _SIZES:
            return cursor.number(_SIZES[form])
        if form in _OFFSETS:
            return self._read_offset(form, is_wanted=is_wanted)
        if form == _STRING:
            return cursor.string()
        if form == _ADDRESS:
            return cursor.number(self._address_bytes)
        if form in _NUMBERS:
            cursor.leb128()
        elif form in _BLOCK_FORMS:
            cursor.take(cursor.leb128())
        elif form in _BLOCKS:
            cursor.take(cursor.number(_BLOCKS[form]))
        elif form != _IMPLICIT:
            raise DamagedDwarfError(f"a form {form:#x} is not known")
        return None

    def _read_offset(self, form: int, *, is_wanted: bool) -> int | bytes:
        offset = self._cursor.number(self._offset_bytes)
        if form == _STRP and is_wanted:
            return string_at(self._sections.read(STRINGS), offset)
        if form == _LINE_STRP and is_wanted:
            return string_at(self._sections.read(LINE_STRINGS), offset)
        return offset
