"""The chains of inline frames that pages need."""

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.paging.column_codes import Integers
from symbolon_server.symbols.paging.rows import PageRows
from symbolon_server.symbols.reading.inline_chains import NO_INLINE


class PageChains:
    """The chains of several pages, each page's in their order in the table.

    The table numbers its chains in the order of their first use. So those that a page uses before
    any other page are consecutive, and only those of earlier pages have to be looked for.
    """

    __slots__ = ("_chains", "_keys", "chain", "rows")

    chain: Integers
    """Shape (chains of all pages,): each as a row of the table; those around it come before it."""

    rows: PageRows
    """Which of them are whose."""

    def __init__(
        self, around: NDArray[np.int32], new: Integers, of_ranges: PageRows, used: Integers
    ) -> None:
        """Find what pages need whose ranges use the chains `used`, or `NO_INLINE`.

        `around` is the table's; `new`, shape (pages, 2), has the first chain of each page that no
        page before it uses, and the one behind its last.
        """
        self._chains = len(around) + 1
        """More than any: page and chain as one number is `page * self._chains + chain`."""
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
    """Return each of `numbers` once, ascending; of so few `np.unique` takes three times as long."""
    ordered = np.sort(numbers)
    distinct: Integers = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct
