"""Chains of inline frames in the order in which a module's ranges need them."""

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.reading.columns import select
from symbolon_server.symbols.reading.inline_chains import NO_INLINE, Chains


def order_by_use(used: NDArray[np.int32], chains: Chains) -> tuple[NDArray[np.int32], Chains]:
    """Return the chain of each range and the chains, numbered in the order of their first use.

    A chain around another is used where that one is, and comes before it; `used`, shape
    (ranges,), has the chain of each range. What no range uses is left out.
    """
    first_rows = _find_first_rows(used, chains)
    (needed,) = np.nonzero(first_rows < len(used))
    order = needed[np.argsort(first_rows[needed], kind="stable")]
    numbers = np.full(len(chains.around) + 1, NO_INLINE, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    ordered = select(chains, order)
    return numbers[used], Chains(
        numbers[ordered.around], ordered.origin, ordered.call_line, ordered.call_file
    )


def _find_first_rows(used: NDArray[np.int32], chains: Chains) -> NDArray[np.int64]:
    """Return the first row that needs each chain; the number of rows where none does."""
    first_rows = np.full(len(chains.around), len(used))
    rows = np.flatnonzero(used != NO_INLINE)
    first_rows[used[rows][::-1]] = rows[::-1]
    (inner,) = np.nonzero(first_rows < len(used))
    while len(inner):
        inner = inner[chains.around[inner] != NO_INLINE]
        around = chains.around[inner]
        is_earlier = first_rows[inner] < first_rows[around]
        np.minimum.at(first_rows, around[is_earlier], first_rows[inner[is_earlier]])
        inner = around[is_earlier]
    return first_rows
