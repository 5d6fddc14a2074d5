"""The tables of an ELF file: sections, segments, symbols.

The file is untrusted: whatever lies outside of it is refused, or empty.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError

MAX_SECTIONS: Final = 1 << 16
"""Object files have more, linked files some dozens."""

MAX_NAME_BYTES: Final = 256
"""What is looked at of the name of a section."""

_MARK_BYTES = 16
_CLASSES: Final = {1: False, 2: True}
_ORDERS: Final = {1: "<", 2: ">"}
LOADED: Final = 1
"""The type of a segment that is loaded."""

_NULL, _NO_BITS = 0, 8
_NOT_IN_FILE: Final = frozenset({_NULL, _NO_BITS})
_IN_SECTION_0 = 0xFFFF
"""The number of the section of names, if it does not fit the header."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an ELF file."""

    name: bytes
    type: int
    flags: int
    content: memoryview
    """As it is in the file; empty if it is not there."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of an ELF file."""

    type: int
    flags: int
    address: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the tables of one class and byte order look."""

    header: struct.Struct
    """Type; offsets of segments and sections; size and number of segments, of sections; names."""

    section: struct.Struct
    """Name, type, flags, offset, size, link."""

    segment: struct.Struct
    segment_fields: tuple[int, int, int, int]
    """Places of type, flags, address and size in memory."""

    compression: struct.Struct
    """Method, size when unpacked."""

    symbol: np.dtype[Any]


def _make_shape(order: str, *, is_64: bool) -> _Shape:
    number = f"{order}u{8 if is_64 else 4}"
    offsets = [4, 6, 8] if is_64 else [12, 14, 4]
    return _Shape(
        struct.Struct(order + ("16xH14xQQ6xHHHHH" if is_64 else "16xH10xII6xHHHHH")),
        struct.Struct(order + ("IIQ8xQQI20x" if is_64 else "III4xIII12x")),
        struct.Struct(order + ("IIQQQQQQ" if is_64 else "IIIIIIII")),
        (0, 1, 3, 6) if is_64 else (0, 6, 2, 5),
        struct.Struct(order + ("I4xQ8x" if is_64 else "II4x")),
        np.dtype(
            {
                "names": ["info", "section", "value"],
                "formats": ["u1", f"{order}u2", number],
                "offsets": offsets,
                "itemsize": 24 if is_64 else 16,
            }
        ),
    )


class ElfLayout:
    """The tables of one ELF file."""

    def __init__(self, data: memoryview) -> None:
        """Read the header; raise `MalformedSymbolFileError` if it is no ELF header."""
        mark = bytes(data[:_MARK_BYTES])
        if len(mark) < _MARK_BYTES or mark[4] not in _CLASSES or mark[5] not in _ORDERS:
            raise MalformedSymbolFileError("its ELF header is damaged")
        self.order = _ORDERS[mark[5]]
        self.address_bytes = 8 if _CLASSES[mark[4]] else 4
        self._shape = _make_shape(self.order, is_64=_CLASSES[mark[4]])
        self._data = data
        self.type, self._segments_at, self._sections_at, *sizes = self._unpack_header()
        _, self._segments, _, self._sections, self._names = sizes

    def _unpack_header(self) -> tuple[int, ...]:
        if len(self._data) < self._shape.header.size:
            raise MalformedSymbolFileError("it ends within its ELF header")
        return self._shape.header.unpack_from(self._data)

    def sections(self) -> list[Section]:
        """Return all sections; raise `MalformedSymbolFileError` if one, or their table, is cut.

        Linkers mostly write the table last. Go's writes it first: of a file that is cut, `symbolic`
        would read as much as there is.
        """
        if not self._sections_at:
            return []
        shape = self._shape.section
        (first,) = self._table(shape, self._sections_at, 1)
        count = self._sections or first[4]
        if count > MAX_SECTIONS:
            raise MalformedSymbolFileError(f"it has {count} sections, over {MAX_SECTIONS}")
        rows = list(self._table(shape, self._sections_at, count))
        names_at = first[5] if self._names == _IN_SECTION_0 else self._names
        names = self._content(*rows[names_at]) if names_at < count else self._data[:0]
        return [self._section(_name_at(names, row[0]), row) for row in rows]

    def _section(self, name: bytes, row: tuple[int, ...]) -> Section:
        _, type_, flags, offset, size, _ = row
        if type_ not in _NOT_IN_FILE and offset + size > len(self._data):
            text = name.decode(errors="backslashreplace") or "without a name"
            raise MalformedSymbolFileError(f"it ends within its section {text}")
        return Section(name, type_, flags, self._content(*row))

    def segments(self) -> Iterator[Segment]:
        """Yield all segments; raise `MalformedSymbolFileError` if their table is truncated."""
        if self._segments_at:
            type_, flags, address, size = self._shape.segment_fields
            for row in self._table(self._shape.segment, self._segments_at, self._segments):
                yield Segment(row[type_], row[flags], row[address], row[size])

    def base(self) -> int:
        """Return the address from which module offsets count: that of what is loaded first."""
        return next((each.address for each in self.segments() if each.type == LOADED), 0)

    def symbols(self, section: Section) -> NDArray[Any]:
        """Return the records of a symbol table, with the fields info, section and value."""
        dtype = self._shape.symbol
        return np.frombuffer(section.content, dtype, len(section.content) // dtype.itemsize)

    def compression(self, section: Section) -> tuple[int, int, memoryview]:
        """Return method, size when unpacked, and packed bytes of a compressed section."""
        shape = self._shape.compression
        if len(section.content) < shape.size:
            raise MalformedSymbolFileError("a compressed section ends within its header")
        method, size = shape.unpack_from(section.content)
        return method, size, section.content[shape.size :]

    def _table(self, shape: struct.Struct, at: int, count: int) -> Iterator[tuple[int, ...]]:
        if at + count * shape.size > len(self._data):
            raise MalformedSymbolFileError("it ends within a table of its ELF file")
        return shape.iter_unpack(self._data[at : at + count * shape.size])

    def _content(
        self, _name: int, type_: int, _flags: int, offset: int, size: int, _link: int
    ) -> memoryview:
        return self._data[:0] if type_ == _NO_BITS else self._data[offset : offset + size]


def _name_at(names: memoryview, place: int) -> bytes:
    return bytes(names[place : place + MAX_NAME_BYTES]).partition(b"\0")[0]


def by_debug_name(sections: Sequence[Section]) -> dict[bytes, Section]:
    """Return sections by name; one compressed in the older way has the plain name."""
    return {section.name.replace(b".zdebug_", b".debug_"): section for section in sections}
