"""Columns of integers as bytes, and the steps that make them small.

The steps turn numbers that mean little by themselves, such as a line far into a file, into small
differences from a good guess. Each function here has its inverse beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def zigzag(values: Integers) -> NDArray[np.uint64]:
    """Return 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2: small numbers for small distances."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(values: NDArray[np.uint64]) -> Integers:
    """Return the signed numbers that `zigzag` was given."""
    return (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)


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
    highest = np.cumsum(np.maximum(1 - below, 0)) - 1
    numbers: Integers = np.concatenate([[-1], highest[:-1]]) + 1 - below if len(below) else below
    return numbers


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows with the same key, so that each row's number can be told from the one before it."""

    order: Integers
    """Shape (rows,): the rows, those of a group together and in order."""

    firsts: NDArray[np.bool_]
    """Shape (rows,), in that order: where a group begins."""

    @classmethod
    def of(cls, keys: Integers) -> "Groups":
        """Return the groups of rows with equal `keys`."""
        order = np.argsort(keys, kind="stable")
        firsts = np.ones(len(keys), np.bool_)
        firsts[1:] = keys[order][1:] != keys[order][:-1]
        return cls(order, firsts)

    def differences(self, values: Integers) -> Integers:
        """Return each value less the one before it in its group; the first as it is."""
        ordered = values[self.order]
        steps = np.diff(ordered, prepend=0)
        steps[self.firsts] = ordered[self.firsts]
        return self._in_rows(steps)

    def sums(self, differences: Integers) -> Integers:
        """Return the values that `differences` was given."""
        steps = differences[self.order]
        sums = np.cumsum(steps)
        before_group = (sums - steps)[self.firsts]
        return self._in_rows(sums - before_group[np.cumsum(self.firsts) - 1])

    def _in_rows(self, ordered: Integers) -> Integers:
        rows = np.empty_like(ordered)
        rows[self.order] = ordered
        return rows


def write_column(values: NDArray[np.uint64]) -> bytes:
    """Return the bytes of `values`: how many bytes each has, then all lowest bytes, and so on."""
    width = (int(values.max()).bit_length() + 7) // 8 if len(values) else 0
    planes = np.ascontiguousarray(values, np.dtype("<u8")).view(np.uint8).reshape(-1, 8)
    return bytes([width]) + planes[:, :width].T.tobytes()


def read_column(data: memoryview, place: int, count: int) -> tuple[NDArray[np.uint64], int]:
    """Return the `count` values of the column at `place`, and the place after it.

    Raises `ValueError` where `data` is too short.
    """
    width = data[place]
    end = place + 1 + width * count
    planes = np.frombuffer(data[place + 1 : end], np.uint8).reshape(width, count)
    values = np.zeros(count, np.uint64)
    for plane in planes[::-1]:
        values <<= np.uint64(8)
        values |= plane
    return values, end
