"""How ranges nest by containment, found without a loop over them.

Sorted by start, the wider first and the earlier record first, a range comes after everything that
contains it. Its depth is then its place less the number of ranges that ended before it starts, and
its parent the last range before it that is one less deep. If any two ranges cross, some range
among those that touch them ends after its parent: these, and only these, are put in one by one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.crossings import keep_nested
from symbolon_server.symbols.overlaps import Keys, find_clusters

NO_PARENT = -1

MAX_DEPTH = 500
"""The deepest nesting that is kept. 53 are seen in practice; a range deeper than this is dropped:
each answer for it would hold as many inline frames."""

Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nesting:
    """Ranges of which any two are apart or one contains the other, outer ones first."""

    order: Indexes
    """Shape (nested,): index of each range in the arrays that were nested."""

    starts: Keys
    lasts: Keys
    depths: Indexes
    parents: Indexes
    """Shape (nested,): place in this order of the range around each, or `NO_PARENT`."""

    by_last: Indexes
    """Shape (nested,): places in this order, sorted by where the ranges end."""

    def find_innermost(self, positions: Keys) -> Indexes:
        """Return the place of the innermost range at each position, or `NO_PARENT`.

        What happened last at or before a position decides: a range started and is the innermost,
        or one or more ended together and what is around all of them is.
        """
        if not len(self.order):
            return np.full(len(positions), NO_PARENT, np.int64)
        started = np.searchsorted(self.starts, positions, side="right") - 1
        ended = np.searchsorted(self.lasts[self.by_last], positions, side="left") - 1
        last_ended = self.by_last[ended]
        is_inside = (started >= 0) & ((ended < 0) | (self.starts[started] > self.lasts[last_ended]))
        return np.where(
            is_inside, started, np.where(ended >= 0, self._around()[last_ended], NO_PARENT)
        )

    def _around(self) -> Indexes:
        """Return the nearest range around each that ends later, as places."""
        around = self.parents.copy()
        while True:
            ends_too = (around != NO_PARENT) & (self.lasts[around] == self.lasts)
            if not ends_too.any():
                return around
            around[ends_too] = around[around[ends_too]]


def nest(starts: Keys, lasts: Keys, max_depth: int = MAX_DEPTH) -> Nesting:
    """Return how the ranges nest; one that crosses an earlier kept one is dropped.

    So is one within `max_depth` others.

    `starts` and `lasts`, both shape (ranges,), are the first and last position of each range in
    the order of the records. Of two equal ranges the later one is the inner one.
    """
    order = np.lexsort((~lasts, starts))
    nesting = _nest_sorted(order, starts[order], lasts[order])
    reaches_out = np.zeros(len(starts), np.bool_)
    reaches_out[order] = _find_reaching_out(nesting)
    if not reaches_out.any():
        return _drop_deep(nesting, max_depth)
    is_kept = np.ones(len(starts), np.bool_)
    for cluster in find_clusters(starts, lasts):
        if reaches_out[cluster].any():
            is_kept[cluster] = keep_nested(starts[cluster], lasts[cluster])
    order = order[is_kept[order]]
    return _drop_deep(_nest_sorted(order, starts[order], lasts[order]), max_depth)


def _drop_deep(nesting: Nesting, max_depth: int) -> Nesting:
    is_kept = nesting.depths < max_depth
    if is_kept.all():
        return nesting
    return _nest_sorted(nesting.order[is_kept], nesting.starts[is_kept], nesting.lasts[is_kept])


def _nest_sorted(order: Indexes, starts: Keys, lasts: Keys) -> Nesting:
    by_last = np.argsort(lasts, kind="stable")
    places = np.arange(len(order))
    depths = places - np.searchsorted(lasts[by_last], starts, side="left")
    return Nesting(order, starts, lasts, depths, _find_parents(depths), by_last)


def _find_parents(depths: Indexes) -> Indexes:
    count = len(depths)
    places = np.arange(count)
    by_depth = np.argsort(depths, kind="stable")
    keys = (depths * count + places)[by_depth]
    before = np.searchsorted(keys, (depths - 1) * count + places) - 1
    return np.where(depths > 0, by_depth[before], NO_PARENT)


def _find_reaching_out(nesting: Nesting) -> NDArray[np.bool_]:
    """Return which ranges end after what should be their parents; shape (nested,)."""
    has_parent = nesting.parents != NO_PARENT
    reaches_out: NDArray[np.bool_] = has_parent & (nesting.lasts > nesting.lasts[nesting.parents])
    return reaches_out
