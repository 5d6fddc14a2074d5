"""Rows of several pages in one array: so that numpy's steps are taken once for many pages."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.paging.column_codes import Integers


class PageRows:
    """Whose the rows of an array are: those of one page, then those of the next, and so on."""

    __slots__ = ("counts", "firsts", "page")

    counts: Integers
    """Shape (pages,): how many rows each page has."""

    firsts: Integers
    """Shape (pages + 1,): the first row of each page, and the row behind the last page's."""

    page: Integers
    """Shape (rows,): the page of each row, ascending from 0."""

    def __init__(self, counts: Integers) -> None:
        """Give each page so many rows; shape (pages,)."""
        self.counts = counts
        self.firsts = np.concatenate([[0], np.cumsum(counts)])
        self.page = np.repeat(np.arange(len(counts)), counts)

    @classmethod
    def of(cls, page: Integers, pages: int) -> "PageRows":
        """Return the rows of `pages` pages, of which each is that of `page`, which is ascending."""
        return cls(np.bincount(page, minlength=pages))

    def count_from(self, starts: Integers) -> Integers:
        """Return a number for each row, counting on each page from that of `starts`."""
        return np.arange(len(self.page)) + (starts - self.firsts[:-1])[self.page]

    def places(self, page: Integers, numbers: Integers) -> Integers:
        """Return where those that count from 1 on their page stand in an array of all pages.

        It counts from 1 too: number 0, which none has, stands at 0.
        """
        return np.where(numbers == 0, 0, numbers + self.firsts[page])

    def number(self, values: Integers) -> "FirstUses":
        """Number the values of each page in the order of first use; a negative one has number 0."""
        used = np.flatnonzero(values >= 0)
        row_bits = len(values).bit_length()
        value_bits = int(values.max(initial=0)).bit_length()
        # Page, value and row as one number: 5, 31 and 25 bits at most, of 24 pages nested deepest.
        keys = (self.page[used] << value_bits | values[used]) << row_bits | used
        keys.sort()
        rows = keys & ((1 << row_bits) - 1)
        is_first = np.diff(keys >> row_bits, prepend=-1) != 0
        first_rows = np.empty(len(values), np.int64)
        first_rows[rows] = rows[is_first][np.cumsum(is_first) - 1]
        firsts = np.sort(rows[is_first])
        numbers = np.zeros(len(values), np.int64)
        distinct = PageRows.of(self.page[firsts], len(self.counts))
        numbers[firsts] = distinct.count_from(np.ones(len(self.counts), np.int64))
        numbers[used] = numbers[first_rows[used]]
        return FirstUses(numbers, values[firsts].astype(np.int64), distinct)


class FirstUses(NamedTuple):
    """Values that were numbered, from 1 on each page, in the order of their first use."""

    numbers: Integers
    """Shape (rows,): the number of each; 0 for a negative one."""

    values: NDArray[np.int64]
    """Shape (distinct values,): those of each page by number."""

    rows: PageRows
    """Which of `values` are whose."""


class PageRowsOfTwo:
    """Rows of two kinds in one array: on each page first its ones, then its others."""

    def __init__(self, ones: PageRows, others: PageRows) -> None:
        """Put those of the same page side by side."""
        self.rows = PageRows(ones.counts + others.counts)
        self._ones = ones.count_from(self.rows.firsts[:-1])
        self._others = others.count_from(ones.firsts[1:] + others.firsts[:-1])

    def join(self, ones: NDArray[np.generic], others: NDArray[np.generic]) -> Integers:
        """Return the values of both kinds as one array."""
        joined = np.empty(len(self.rows.page), np.int64)
        joined[self._ones] = ones
        joined[self._others] = others
        return joined

    def split(self, joined: Integers) -> tuple[Integers, Integers]:
        """Return the ones and the others of what `join` made."""
        return joined[self._ones], joined[self._others]
