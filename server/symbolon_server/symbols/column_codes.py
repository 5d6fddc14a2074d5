"""Columns of integers as bytes, and the steps that make them small.

The steps turn numbers that mean little by themselves, such as a line far into a file, into small
differences from a good guess. Each function here has its inverse beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.signedinteger]
Unsigned = NDArray[np.unsignedinteger]

_MOST_BYTES: Final = 8
_FEW_BYTES: Final = 4
_MOST_SMALL: Final = 2**16 - 1


def zigzag(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2: small numbers for small distances."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(values: Unsigned) -> Integers:
    """Return the signed numbers that `zigzag` was given, of the same size as `values`."""
    flips = values & 1
    np.negative(flips, out=flips)
    halves = values >> 1
    halves ^= flips
    numbers: Integers = halves.view(np.int32 if values.dtype == np.uint32 else np.int64)
    return numbers


def below_next(numbers: Integers) -> Integers:
    """Return how far each number is below the next unused one; 0 where it is that one.

    Numbers given out in the order of their first use become mostly zeros.
    """
    highest = np.maximum.accumulate(np.concatenate([[-1], numbers]))[:-1]
    below: Integers = highest + 1 - numbers
    return below


def from_below_next(below: Integers) -> Integers:
    """Return the numbers that `below_next` was given.

    The highest number so far rises by what a number is above it: never by less than nothing.
    """
    rises = np.maximum(1 - below, 0)
    numbers: Integers = np.cumsum(rises, dtype=below.dtype)
    numbers -= rises
    numbers -= below
    return numbers


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows with the same key, so that each row's number can be told from the one before it."""

    order: Integers
    """Shape (rows,): the rows, those of a group together and in order."""

    firsts: NDArray[np.bool_]
    """Shape (rows,), in that order: where a group begins."""

    groups: NDArray[np.int64]
    """Shape (rows,), in that order: the number of each row's group."""

    @classmethod
    def of(cls, keys: Integers) -> "Groups":
        """Return the groups of rows with equal `keys`."""
        # Numbers of 16 bits are sorted in a quarter of the time.
        is_small = not len(keys) or (keys.max() < _MOST_SMALL and keys.min() >= -1)
        order = np.argsort(keys.astype(np.uint16) if is_small else keys, kind="stable")
        ordered = keys[order]
        firsts = np.ones(len(keys), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=firsts[1:])
        return cls(order, firsts, np.cumsum(firsts) - 1)

    def differences(self, values: Integers) -> Integers:
        """Return each value less the one before it in its group; the first as it is."""
        ordered = values[self.order]
        steps = np.diff(ordered, prepend=0)
        steps[self.firsts] = ordered[self.firsts]
        return self._in_rows(steps)

    def sums(self, differences: Integers) -> Integers:
        """Return the values that `differences` was given."""
        steps = differences[self.order]
        sums = np.cumsum(steps, dtype=steps.dtype)
        before_group = sums[self.firsts] - steps[self.firsts]
        return self._in_rows(sums - before_group[self.groups])

    def _in_rows(self, ordered: Integers) -> Integers:
        rows: Integers = np.empty_like(ordered)
        rows[self.order] = ordered
        return rows


def write_columns(columns: Sequence[NDArray[np.int64]]) -> bytes:
    """Return the bytes of `columns`: how many bytes a value of each takes, then the values.

    Values are written by `zigzag`. First come the lowest bytes of all columns, then the second
    ones of those that have them, and so on, the columns with the widest values always first. So
    each of these planes belongs to the first columns that there are, and is read in one step.
    """
    values = [zigzag(column) for column in columns]
    widths = [_width(column) for column in values]
    bytes_of = [column.astype("<u8").view(np.uint8).reshape(-1, _MOST_BYTES) for column in values]
    widest_first = _widest_first(widths)
    planes = [
        bytes_of[column][:, place].tobytes()
        for place in range(max(widths))
        for column in widest_first
        if widths[column] > place
    ]
    return bytes(widths) + b"".join(planes)


def read_columns(data: memoryview, lengths: Sequence[int]) -> tuple[list[Integers], int]:
    """Return the columns at the start of `data`, of these lengths, and the place after them.

    All columns have 64 bits where any value needs more than 32, else 32. Raises `ValueError` where
    `data` is too short.
    """
    widths = bytes(data[: len(lengths)])
    if len(widths) < len(lengths) or not all(0 < width <= _MOST_BYTES for width in widths):
        raise ValueError("columns without their widths")
    place = len(widths)
    kind = np.dtype(np.uint32 if max(widths) <= _FEW_BYTES else np.uint64)
    values: Unsigned = np.frombuffer(data, np.uint8, sum(lengths), place).astype(kind)
    place += len(values)
    for byte in range(1, max(widths)):
        count = sum([length for length, width in zip(lengths, widths, strict=True) if width > byte])
        plane: Unsigned = np.frombuffer(data, np.uint8, count, place).astype(kind)
        plane <<= 8 * byte
        values[:count] |= plane
        place += count
    numbers = unzigzag(values)
    columns: list[Integers] = [numbers] * len(lengths)
    first = 0
    for column in _widest_first(widths):
        columns[column] = numbers[first : first + lengths[column]]
        first += lengths[column]
    return columns, place


def _width(column: NDArray[np.uint64]) -> int:
    """Return the bytes that the largest value takes, 1 to 8."""
    return max(1, (int(column.max()).bit_length() + 7) // 8) if len(column) else 1


def _widest_first(widths: Sequence[int]) -> list[int]:
    """Return the places of the columns by width, those of one width in their own order."""
    return sorted(range(len(widths)), key=lambda column: -widths[column])
