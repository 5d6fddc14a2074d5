"""Rows of many pages in one array, so that numpy's cost per call is paid once for all of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.paging.column_codes import Integers
from symbolon_server.symbols.reading.inline_chains import NO_INLINE


class PageRows:
    """Which page each row of an array belongs to: first all rows of page 0, then of page 1, …"""

    __slots__ = ("counts", "firsts", "page")

    counts: Integers
    """Shape (pages,): number of rows of each page."""

    firsts: Integers
    """Shape (pages + 1,): first row of each page, and the end of the last one."""

    page: Integers
    """Shape (rows,): page of each row, ascending from 0."""

    def __init__(self, counts: Integers) -> None:
        """Give each page its number of rows; `counts` has shape (pages,)."""
        self.counts = counts
        self.firsts = np.concatenate([[0], np.cumsum(counts)])
        self.page = np.repeat(np.arange(len(counts)), counts)

    @classmethod
    def of(cls, page: Integers, pages: int) -> "PageRows":
        """Return the rows of `pages` pages, given the `page` of each row, ascending."""
        return cls(np.bincount(page, minlength=pages))

    def count_from(self, starts: Integers) -> Integers:
        """Return consecutive numbers for the rows of each page, from that page's start on."""
        return np.arange(len(self.page)) + (starts - self.firsts[:-1])[self.page]

    def places(self, page: Integers, numbers: Integers) -> Integers:
        """Return the 1-based place, among all pages' rows, of 1-based numbers within a page.

        Number 0 (absent) keeps place 0.
        """
        return np.where(numbers == 0, 0, numbers + self.firsts[page])

    def number(self, values: Integers) -> "FirstUses":
        """Number each page's values by first use, from 1; a negative value gets 0."""
        used = np.flatnonzero(values >= 0)
        row_bits = len(values).bit_length()
        value_bits = int(values.max(initial=0)).bit_length()
        # Page, value and row in one integer: at most 5, 31 and 25 bits, for 24 pages at maximum
        # inline depth.
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
    """Values numbered by first use on each page, from 1."""

    numbers: Integers
    """Shape (rows,): number of each row's value; 0 for a negative value."""

    values: NDArray[np.int64]
    """Shape (distinct values,): the values of each page, by number."""

    rows: PageRows
    """The page of each of `values`."""


class PageRowsOfTwo:
    """Rows of two kinds in one array: for each page first its ones, then its others."""

    def __init__(self, ones: PageRows, others: PageRows) -> None:
        """Combine two kinds of rows of the same pages."""
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
        """Return the ones and the others of an array made by `join`."""
        return joined[self._ones], joined[self._others]


class PageChains:
    """The chains of inline frames that each of several pages needs, in table order.

    The table numbers its chains by first use. The chains that a page is the first to use are
    therefore consecutive; only those of earlier pages have to be looked up.
    """

    __slots__ = ("_chains", "_keys", "chain", "rows")

    chain: Integers
    """Shape (chains of all pages,): row in the table; the chains around one come before it."""

    rows: PageRows
    """The page of each of them."""

    def __init__(
        self, around: NDArray[np.int32], new: Integers, of_ranges: PageRows, used: Integers
    ) -> None:
        """Find the chains for pages whose ranges use `used` (a chain or `NO_INLINE` each).

        `around` is the table's column. `new`, shape (pages, 2), has the first chain that each page
        is the first to use, and the end of these chains.
        """
        self._chains = len(around) + 1
        """Page and chain are combined into one key: `page * self._chains + chain`."""
        first, end = new.T
        of_new = PageRows(end - first)
        chain = of_new.count_from(first)
        needed = [self._key(of_new.page, chain)]
        page = np.concatenate([of_ranges.page, of_new.page])
        outer = np.concatenate([used, around[chain]])
        is_older = (outer != NO_INLINE) & (outer < first[page])
        page, outer = self._split(_distinct(self._key(page[is_older], outer[is_older])))
        while len(outer):
            needed.append(self._key(page, outer))
            outer = around[outer]
            is_older = outer != NO_INLINE
            page, outer = page[is_older], outer[is_older]
        self._keys = _distinct(np.concatenate(needed))
        page, self.chain = self._split(self._keys)
        self.rows = PageRows.of(page, len(new))

    def number(self, page: Integers, chain: Integers) -> Integers:
        """Return the number of each chain on its page, from 1; 0 for `NO_INLINE`."""
        behind = np.searchsorted(self._keys, self._key(page, chain), side="right")
        return behind - self.rows.firsts[page]

    def _key(self, page: Integers, chain: Integers) -> Integers:
        key: Integers = page * self._chains + chain
        return key

    def _split(self, key: Integers) -> tuple[Integers, Integers]:
        return np.divmod(key, self._chains)


def _distinct(numbers: Integers) -> Integers:
    """Return `numbers` sorted, without duplicates; faster than `np.unique` for few of them."""
    ordered = np.sort(numbers)
    distinct: Integers = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct
