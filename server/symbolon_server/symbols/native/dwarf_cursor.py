"""Reads the numbers and strings of DWARF, one behind the other."""

from typing import Final, Literal

ByteOrder = Literal["little", "big"]

MAX_STRING_BYTES: Final = 1 << 13
"""Longer paths are damage: those of compilers end at 4096."""

MAX_DIGITS: Final = 10
"""What a LEB128 number of 64 bits takes."""

_DWARF_64: Final = 0xFFFFFFFF


class DamagedDwarfError(Exception):
    """A part of the debug information ends too early, or cannot be what it is."""


class Cursor:
    """A place in a part of a section; it cannot leave the part."""

    def __init__(self, data: memoryview, place: int, end: int, order: ByteOrder) -> None:
        """Stand at `place`; nothing is read from `end` on."""
        self._data, self.place, self.end, self._order = data, place, min(end, len(data)), order

    def number(self, size: int) -> int:
        """Return a number of `size` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        start = self.place
        if not 0 <= size <= self.end - start:
            raise DamagedDwarfError("it ends too early")
        self.place = start + size
        return self._data[start : self.place]

    def leb128(self) -> int:
        """Return a LEB128 number without a sign."""
        value = shift = 0
        for place in range(self.place, min(self.place + MAX_DIGITS, self.end)):
            digits = self._data[place]
            value |= (digits & 0x7F) << shift
            if digits <= 0x7F:  # noqa: PLR2004 - the highest bit says that more follow
                self.place = place + 1
                return value
            shift += 7
        raise DamagedDwarfError("a number does not end")

    def string(self) -> bytes:
        """Return the bytes up to the next zero."""
        text = string_at(self._data[: self.end], self.place)
        self.place += len(text) + 1
        return text

    def length(self) -> tuple[int, int]:
        """Return the length that a unit begins with, and the size of its offsets."""
        length = self.number(4)
        return (self.number(8), 8) if length == _DWARF_64 else (length, 4)


def string_at(data: memoryview, place: int) -> bytes:
    """Return the bytes from `place` up to the next zero."""
    text, zero, _ = bytes(data[place : place + MAX_STRING_BYTES]).partition(b"\0")
    if not zero:
        raise DamagedDwarfError("a string does not end")
    return text
