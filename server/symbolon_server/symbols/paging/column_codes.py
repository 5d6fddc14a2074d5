"""Columns of integers as bytes, and the steps that make them small.

The steps turn numbers that mean little by themselves, such as a line far into a file, into small
differences from a good guess. Each function here has its inverse beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.signedinteger]
Unsigned = NDArray[np.unsignedinteger]

_Pick = Callable[[Sequence[int]], tuple[int, ...]]

_MOST_BYTES: Final = 8

_ENDS_OF_WIDTHS: Final = np.array([1 << 8 * width for width in range(1, _MOST_BYTES)], np.uint64)
"""The first value that takes more than one byte, then more than two, and so on."""

_RISES: Final = bytes(1 + (byte + 1) // 2 if byte & 1 else not byte for byte in range(256))
"""How much the next unused number rises at a number that is so far below it, by `zigzag`: columns
are mostly of single bytes, and what is done by a table takes a third of the time of several steps
with arrays."""


def zigzag(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2: small numbers for small distances."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(values: Unsigned) -> Integers:
    """Return the signed numbers that `zigzag` was given, of the same size as `values`."""
    flips = values & 1
    np.negative(flips, out=flips)
    halves = values >> 1
    halves ^= flips
    numbers: Integers = halves.view(f"i{values.itemsize}")
    return numbers


def _rises(zigzags: Unsigned) -> Integers:
    """Return how much the next unused number rises at what `below_next` and `zigzag` made."""
    rises: Integers = np.maximum(1 - unzigzag(zigzags).astype(np.int64), 0)
    return rises


_TWO_BYTES: Final = 2
_RISES_OF_TWO_BYTES: Final = _rises(np.arange(1 << 16, dtype=np.uint16)).astype(np.int32)
"""The same by a table, in a third of the time, for columns of two bytes."""


def below_next(numbers: Integers, page: Integers) -> Integers:
    """Return how far each number is below the next unused one of its page; 0 where it is that one.

    Numbers given out in the order of their first use become mostly zeros. `page`, shape (numbers,),
    is ascending.
    """
    page_begin = page * (numbers.max(initial=0) + 1)
    highest = np.maximum.accumulate(np.concatenate([[-1], page_begin + numbers]))[:-1]
    below: Integers = np.maximum(highest - page_begin, -1) + 1 - numbers
    return below


_BYTE: Final = 256


def mark_new(below: Integers) -> NDArray[np.uint64]:
    """Return what `below_next` made, none negative, with no lowest byte of 0 but that of a 0.

    So the new numbers up to a row are counted in one step, `PackedColumns.new_and_number`.
    """
    codes: NDArray[np.int64] = below + np.maximum(below - 1, 0) // (_BYTE - 1)
    return codes.view(np.uint64)


def first_values(keys: Integers, values: Integers, count: int) -> Integers:
    """Return the first of the `values` that stand with each key from 0 up to `count`.

    Shape (count + 1,): 0 where there is none, as for the key -1, which so finds the last.
    """
    firsts: Integers = np.zeros(count + 1, np.int64)
    # Where a key stands more than once, what is assigned last stays: its first value.
    firsts[keys[::-1]] = values[::-1]
    firsts[-1] = 0
    return firsts


def write_columns(columns: Sequence[NDArray[np.uint64]]) -> bytes:
    """Return the bytes of `columns`: how many bytes a value of each takes, then the values.

    First come the lowest bytes of all columns, then the second ones of those that have them, and
    so on, the columns with the widest values always first. So each of these planes belongs to the
    first columns that there are, and is read in one step.
    """
    [written] = write_columns_of_pages([(each, np.array([0, len(each)])) for each in columns])
    return written


def write_columns_of_pages(
    columns: Sequence[tuple[NDArray[np.uint64], Integers]],
) -> Iterator[bytes]:
    """Yield for each page what `write_columns` makes of its rows.

    Each column comes with the first row of each page, and the row behind the last page's.
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
    """Return the bytes that the largest value of each page takes, 1 to 8."""
    starts, has_rows = firsts[:-1], firsts[:-1] < firsts[1:]
    largest = np.zeros(len(starts), np.uint64)
    if len(column):
        largest[has_rows] = np.maximum.reduceat(column, starts[has_rows])
    return 1 + np.searchsorted(_ENDS_OF_WIDTHS, largest, side="right")


def _planes(column: NDArray[np.uint64], width: int) -> list[bytes]:
    """Return the lowest bytes of all values, then the second ones and so on, `width` in all."""
    return [(column >> np.uint64(8 * place)).astype(np.uint8).tobytes() for place in range(width)]


class PackedColumns:
    """Columns as `write_columns` wrote them, from which single values or columns are read.

    Most pages are asked for one or two of their ranges, so most values are never read.
    """

    __slots__ = ("_data", "_firsts", "_lengths", "_planes", "_widths", "end")

    end: int
    """Place in the data behind the columns."""

    def __init__(self, data: bytes, place: int, lengths: Sequence[int]) -> None:
        """Find the columns of these lengths at a place in `data`.

        Raises `ValueError` where `data` is too short.
        """
        widths = data[place : place + len(lengths)]
        if len(widths) < len(lengths):
            raise ValueError("columns without their widths")
        self._data, self._lengths, self._widths = data, lengths, widths
        in_order, firsts, plane_lengths = _arrange(widths)
        ends = (0, *accumulate(in_order(lengths)))
        self._firsts = firsts(ends)
        """Where each column begins in each of its planes."""
        *self._planes, self.end = accumulate(plane_lengths(ends), initial=place + len(widths))
        if self.end > len(data):
            raise ValueError("columns that are cut")

    def value(self, column: int, row: int) -> int:
        """Return one value of a column."""
        data, planes, place = self._data, self._planes, self._firsts[column] + row
        value, width = data[planes[0] + place], self._widths[column]
        if width > 1:  # a loop over next to nothing costs as much as all before it
            value |= data[planes[1] + place] << 8
            if width > _TWO_BYTES:
                for byte in range(_TWO_BYTES, width):
                    value |= data[planes[byte] + place] << 8 * byte
        return value

    def signed_value(self, column: int, row: int) -> int:
        """Return one value of a column that was written by `zigzag`."""
        value = self._data[self._planes[0] + self._firsts[column] + row]
        if self._widths[column] > 1:
            value = self.value(column, row)
        return value >> 1 ^ -(value & 1)

    def new_and_number(self, column: int, row: int) -> tuple[int, int]:
        """Return how many of the values up to and with this one were new to `mark_new`, and what
        it was given for this one.
        """
        first = self._planes[0] + self._firsts[column]
        code = self.value(column, row)
        return self._data.count(0, first, first + row + 1), code - code // _BYTE

    def column(self, column: int) -> Unsigned:
        """Return a column of as few bits as its values need: 8, 16, 32 or 64."""
        width, first, count = self._widths[column], self._firsts[column], self._lengths[column]
        if width == 1:
            return np.frombuffer(self._data, np.uint8, count, self._planes[0] + first)
        size = 1 << (width - 1).bit_length()
        values = bytearray(size * count)
        for byte, start in enumerate(self._planes[:width]):
            values[byte::size] = self._data[start + first : start + first + count]
        return np.frombuffer(values, f"<u{size}")

    def next_numbers(self, column: int) -> Integers:
        """Return the next unused number after each that `below_next` and `zigzag` were given."""
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
        """Return what `table` has for each value of a column of single bytes."""
        first = self._planes[0] + self._firsts[column]
        return self._data[first : first + self._lengths[column]].translate(table)


def _widest_first(widths: Sequence[int]) -> list[int]:
    """Return the places of the columns by width, those of one width in their own order."""
    return sorted(range(len(widths)), key=lambda column: -widths[column])


@lru_cache(maxsize=1 << 12)
def _arrange(widths: bytes) -> tuple[_Pick, _Pick, _Pick]:
    """Return what picks, of the lengths of columns, those of the widest first; and, of the ends of
    columns in that order, where each column begins in its planes, and how long each plane is.

    Pages of one module have few different widths. Raises `ValueError` for a width that is none.
    """
    if not all(0 < width <= _MOST_BYTES for width in widths):
        raise ValueError("columns without their widths")
    planes = range(max(widths, default=0))
    order = _widest_first(widths)
    places = [order.index(column) for column in range(len(widths))]
    return (
        _pick(order),
        _pick(places),
        _pick([sum(width > plane for width in widths) for plane in planes]),
    )


def _pick(places: Sequence[int]) -> _Pick:
    """Return what picks the items at these places; the first once more, lest one come alone."""
    return itemgetter(*places, 0)
