"""Small ELF files of both classes and byte orders, with whatever a test puts into them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

PROGRAM, LIBRARY, OBJECT = 2, 3, 1
CODE = 0x6
COMPRESSED = 0x800
NO_BITS = 8
SYMBOLS = 2
FUNCTION, DATA = 2, 1


@dataclass(frozen=True)
class Section:
    name: str
    content: bytes = b""
    type: int = 1
    flags: int = 0


@dataclass(frozen=True)
class Elf:
    """An ELF file in the making."""

    sections: Sequence[Section] = ()
    segments: Sequence[tuple[int, int, int]] = ()
    """Flags, address and size of each loaded segment."""

    type: int = LIBRARY
    is_64: bool = True
    order: str = "<"

    def having(self, *sections: Section) -> Self:
        """Return the file with these sections too."""
        return replace(self, sections=[*self.sections, *sections])

    def symbol(self, value: int, section: int, kind: int = FUNCTION) -> bytes:
        """Return a record of a symbol table; `section` counts from 1, as in the file."""
        if self.is_64:
            return struct.pack(f"{self.order}IBBHQQ", 0, kind, 0, section, value, 1)
        return struct.pack(f"{self.order}IIIBBH", 0, value, 1, kind, 0, section)

    def compressed(self, name: str, method: int, size: int, packed: bytes) -> Section:
        """Return a section that claims to be `size` bytes unpacked."""
        shape = "II" if self.is_64 else "I"
        header = struct.pack(f"{self.order}{shape}", *(method, 0)[: len(shape)])
        header += struct.pack(self.order + ("QQ" if self.is_64 else "II"), size, 1)
        return Section(name, header + packed, flags=COMPRESSED)

    def write(self) -> bytes:
        """Return the file: header, segments, contents, then the table of sections."""
        names = b"\0"
        rows = [(0, 0, 0, 0, 0)]
        segment_bytes = 56 if self.is_64 else 32
        header_bytes = 64 if self.is_64 else 52
        body = b"".join(map(self._segment, self.segments))
        for section in [*self.sections, Section(".shstrtab")]:
            content = section.content
            name = len(names)
            names += section.name.encode() + b"\0"
            if section.name == ".shstrtab":
                content = names
            at = header_bytes + len(body)
            rows.append((name, section.type, section.flags, at, len(content)))
            if section.type != NO_BITS:
                body += content
        table_at = header_bytes + len(body)
        number = "Q" if self.is_64 else "I"
        mark = b"\x7fELF" + bytes([2 if self.is_64 else 1, 1 if self.order == "<" else 2, 1])
        header = mark.ljust(16, b"\0") + struct.pack(
            f"{self.order}HHI{number * 3}IHHHHHH",
            *(self.type, 62, 1, 0, header_bytes if self.segments else 0, table_at, 0),
            *(header_bytes, segment_bytes, len(self.segments)),
            *(64 if self.is_64 else 40, len(rows), len(rows) - 1),
        )
        return header + body + b"".join(map(self._row, rows))

    def _segment(self, segment: tuple[int, int, int]) -> bytes:
        flags, address, size = segment
        if self.is_64:
            return struct.pack(f"{self.order}IIQQQQQQ", 1, flags, 0, address, address, 0, size, 1)
        return struct.pack(f"{self.order}IIIIIIII", 1, 0, address, address, 0, size, flags, 1)

    def _row(self, row: tuple[int, int, int, int, int]) -> bytes:
        name, type_, flags, at, size = row
        shape = "IIQQQQIIQQ" if self.is_64 else "IIIIIIIIII"
        return struct.pack(self.order + shape, name, type_, flags, 0, at, size, 0, 0, 1, 0)
