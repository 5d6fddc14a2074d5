"""Columns of little-endian numbers in plain bytes.

Compiled code reads a byte in a nanosecond, and calls a function of the standard library in fifty.
Where the source runs it is the other way round. So each function here has both ways; the tests
compare them with the standard library, compiled and not.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # what compiled code counts with; nothing of it exists where the source runs
    from mypy_extensions import i64

_IS_COMPILED: Final = not __file__.endswith(".py")
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_BITS: Final = 32
"""Of each half of a number that is compared: native integers have a sign."""

_LOW: Final = (1 << _BITS) - 1
_MOST: Final = (1 << 2 * _BITS) - 1


def u32(column: bytes, row: i64) -> i64:
    """Return a number of four bytes; the column must have such a row."""
    if not _IS_COMPILED:
        number: int = _U32.unpack_from(column, 4 * row)[0]
        return number
    if not 0 <= row < len(column) >> 2:  # four times a large row may be a small number
        raise IndexError(row)
    return _read(column, 4 * row)


def u64(column: bytes, row: i64) -> int:
    """Return a number of eight bytes; the column must have such a row."""
    if not _IS_COMPILED:
        number: int = _U64.unpack_from(column, 8 * row)[0]
        return number
    high: int = _read(column, 8 * row + 4)
    low: int = _read(column, 8 * row)  # a native one would make a native number of the result
    return high << _BITS | low


def find_right(column: bytes, number: int) -> i64:
    """Return how many numbers of an ascending column of eight bytes each are at most `number`."""
    if not _IS_COMPILED:
        return bisect_right(memoryview(column).cast("Q"), number)
    first: i64 = 0
    end: i64 = len(column) // 8
    if not 0 <= number <= _MOST:
        return first if number < 0 else end
    high: i64 = number >> _BITS
    low: i64 = number & _LOW
    while first < end:
        middle = (first + end) >> 1
        upper = _read(column, 8 * middle + 4)
        if upper < high or (upper == high and _read(column, 8 * middle) <= low):
            first = middle + 1
        else:
            end = middle
    return first


def _read(column: bytes, place: i64) -> i64:
    one: i64 = column[place]
    two: i64 = column[place + 1]
    three: i64 = column[place + 2]
    four: i64 = column[place + 3]
    return one | two << 8 | three << 16 | four << 24
