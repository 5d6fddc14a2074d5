"""Columns of integers as bytes, and the codes that make the integers small.

The codes replace numbers, such as a line far into a file, with small differences from a good guess.
Each function has its inverse next to it or in `PackedColumns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # what compiled code counts with; nothing of it exists where the source runs
    from mypy_extensions import i64

Integers: TypeAlias = NDArray[np.signedinteger]
Unsigned: TypeAlias = NDArray[np.unsignedinteger]

_MOST_BYTES: Final = 8

_ENDS_OF_WIDTHS: Final = np.array([1 << 8 * width for width in range(1, _MOST_BYTES)], np.uint64)
"""The first value that needs more than one byte, then more than two, and so on."""

_RISES: Final = bytes(1 + (byte + 1) // 2 if byte & 1 else not byte for byte in range(256))
"""For each zigzag code below the next unused number: by how much that number then rises. Most
columns have single bytes, and a table takes a third of the time of several array operations."""


def zigzag(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2: small numbers for small distances."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(values: Unsigned) -> Integers:
    """Return the signed numbers that `zigzag` encoded, with the item size of `values`."""
    flips = values & 1
    np.negative(flips, out=flips)
    halves = values >> 1
    halves ^= flips
    numbers: Integers = halves.view(f"i{values.itemsize}")
    return numbers


def _rises(zigzags: Unsigned) -> Integers:
    """Return by how much the next unused number rises at each code of `below_next` and `zigzag`."""
    rises: Integers = np.maximum(1 - unzigzag(zigzags).astype(np.int64), 0)
    return rises


_TWO_BYTES: Final = 2
_RISES_OF_TWO_BYTES: Final = _rises(np.arange(1 << 16, dtype=np.uint16)).astype(np.int32)
"""The same table for columns of two bytes, also three times as fast."""


def below_next(numbers: Integers, page: Integers) -> Integers:
    """Return how far each number is below the next unused number of its page; 0 for that number.

    Numbers assigned by first use become mostly zeros. `page`, shape (numbers,), is ascending.
    """
    page_begin = page * (numbers.max(initial=0) + 1)
    highest = np.maximum.accumulate(np.concatenate([[-1], page_begin + numbers]))[:-1]
    below: Integers = np.maximum(highest - page_begin, -1) + 1 - numbers
    return below


_BYTE: Final = 256


def mark_new(below: Integers) -> NDArray[np.uint64]:
    """Return codes of `below_next`, none negative, such that only a 0 has 0 in its lowest byte.

    `PackedColumns.new_and_number` can then count the new numbers up to a row in one operation.
    """
    codes: NDArray[np.int64] = below + np.maximum(below - 1, 0) // (_BYTE - 1)
    return codes.view(np.uint64)


def first_values(keys: Integers, values: Integers, count: int) -> Integers:
    """Return the first of the `values` for each key from 0 up to `count`.

    Shape (count + 1,), with 0 for an absent key. The last item is 0, for lookups with the key -1.
    """
    firsts: Integers = np.zeros(count + 1, np.int64)
    # For a repeated key the last assignment wins, which in this order is its first value.
    firsts[keys[::-1]] = values[::-1]
    firsts[-1] = 0
    return firsts


def write_columns(columns: Sequence[NDArray[np.uint64]]) -> bytes:
    """Return the bytes of `columns`: the width of each in bytes, then the values in planes.

    The first plane has the lowest bytes of all columns, the next one the second bytes of those
    columns that have them, and so on. Wider columns come first in each plane, so the columns of a
    plane are always the first ones, and a plane is read in one step.
    """
    [written] = write_columns_of_pages([(each, np.array([0, len(each)])) for each in columns])
    return written


def write_columns_of_pages(
    columns: Sequence[tuple[NDArray[np.uint64], Integers]],
) -> Iterator[bytes]:
    """Yield, for each page, what `write_columns` returns for the rows of that page.

    Each column comes with the first row of each page, and the end of the last page.
    """
    widths = np.array([_widths(*each) for each in columns], np.uint8)
    most = widths.max(axis=1).tolist()
    planes = [_planes(values, width) for (values, _), width in zip(columns, most, strict=True)]
    first_rows = np.array([firsts for _, firsts in columns]).T.tolist()
    for page, (first, end) in enumerate(pairwise(first_rows)):
        of_page = widths[:, page].tobytes()
        order = _widest_first(of_page)
        parts = [
            planes[column][place][first[column] : end[column]]
            for place in range(max(of_page))
            for column in order
            if of_page[column] > place
        ]
        yield of_page + b"".join(parts)


def _widths(column: NDArray[np.uint64], firsts: Integers) -> NDArray[np.integer]:
    """Return the number of bytes, 1 to 8, of the largest value of each page."""
    starts, has_rows = firsts[:-1], firsts[:-1] < firsts[1:]
    largest = np.zeros(len(starts), np.uint64)
    if len(column):
        largest[has_rows] = np.maximum.reduceat(column, starts[has_rows])
    return 1 + np.searchsorted(_ENDS_OF_WIDTHS, largest, side="right")


def _planes(column: NDArray[np.uint64], width: int) -> list[bytes]:
    """Return the lowest bytes of all values, then the second bytes, and so on: `width` planes."""
    return [(column >> np.uint64(8 * place)).astype(np.uint8).tobytes() for place in range(width)]


class PackedColumns:
    """Reads single values or whole columns of what `write_columns` wrote.

    Most pages answer for one or two of their ranges, so most values are never read.
    """

    __slots__ = ("_data", "_firsts", "_lengths", "_planes", "_widths", "end")

    end: int
    """Position in the data after the columns."""

    def __init__(self, data: bytes, place: int, lengths: Sequence[int]) -> None:
        """Locate the columns of these lengths at `place` in `data`.

        Raises `ValueError` if `data` is too short.
        """
        widths = data[place : place + len(lengths)]
        if len(widths) < len(lengths):
            raise ValueError("columns without their widths")
        self._data, self._lengths, self._widths = data, lengths, widths
        order, counts = _arrange(widths)
        firsts, ends, end = [0] * len(order), [0], 0
        for column in order:
            firsts[column] = end
            end += lengths[column]
            ends.append(end)
        self._firsts = firsts
        """Where each column starts in each of its planes."""
        self._planes: list[int] = []
        end = place + len(order)
        for count in counts:
            self._planes.append(end)
            end += ends[count]
        self.end = end
        if end > len(data):
            raise ValueError("truncated columns")

    def value(self, column: i64, row: i64) -> int:
        """Return one value of a column."""
        data, planes, place = self._data, self._planes, self._firsts[column] + row
        value, width = data[planes[0] + place], self._widths[column]
        if width > 1:  # a short loop would cost as much as everything before it
            value |= data[planes[1] + place] << 8
            if width > _TWO_BYTES:
                for byte in range(_TWO_BYTES, width):
                    value |= data[planes[byte] + place] << 8 * byte
        return value

    def signed_value(self, column: i64, row: i64) -> int:
        """Return one value of a column that was encoded by `zigzag`."""
        value = self.value(column, row)
        return value >> 1 ^ -(value & 1)

    def new_and_number(self, column: i64, row: i64) -> tuple[int, int]:
        """Return how many values up to and including this row were new numbers, and what
        `mark_new` encoded for this row.
        """
        first = self._planes[0] + self._firsts[column]
        code = self.value(column, row)
        return self._data.count(0, first, first + row + 1), code - code // _BYTE

    def column(self, column: int) -> Unsigned:
        """Return a column with the smallest item size for its values: 8, 16, 32 or 64 bits."""
        width, first, count = self._widths[column], self._firsts[column], self._lengths[column]
        if width == 1:
            return np.frombuffer(self._data, np.uint8, count, self._planes[0] + first)
        size = 1 << (width - 1).bit_length()
        values = bytearray(size * count)
        for byte, start in enumerate(self._planes[:width]):
            values[byte::size] = self._data[start + first : start + first + count]
        return np.frombuffer(values, f"<u{size}")

    def next_numbers(self, column: int) -> Integers:
        """Return the next unused number after each one that `below_next` and `zigzag` encoded."""
        width = self._widths[column]
        rises: NDArray[np.integer]
        if width == 1:
            rises = np.frombuffer(self._translate(column, _RISES), np.uint8)
        elif width == _TWO_BYTES:
            rises = _RISES_OF_TWO_BYTES.take(self.column(column))
        else:
            rises = _rises(self.column(column))
        numbers = rises.astype(np.int32)
        return np.add.accumulate(numbers, out=numbers)

    def _translate(self, column: int, table: bytes) -> bytes:
        """Return the entry of `table` for each value of a column of single bytes."""
        first = self._planes[0] + self._firsts[column]
        return self._data[first : first + self._lengths[column]].translate(table)


def _widest_first(widths: bytes) -> list[int]:
    """Return the columns' positions from widest to narrowest; equal widths keep their order."""
    return sorted(range(len(widths)), key=lambda column: -widths[column])


@lru_cache(maxsize=1 << 12)
def _arrange(widths: bytes) -> tuple[list[int], list[int]]:
    """Return the columns' positions from widest to narrowest, and how many each plane has.

    Cached, as pages of one module have few distinct widths. Raises `ValueError` for an invalid one.
    """
    if not all(0 < width <= _MOST_BYTES for width in widths):
        raise ValueError("columns without their widths")
    planes = range(max(widths, default=0))
    counts = [sum(width > plane for width in widths) for plane in planes]
    return _widest_first(widths), counts
