"""Which of many spans stay when the first in the file wins an overlap."""

from bisect import bisect_left
from typing import Final

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

FEW: Final = 4096
"""The largest cluster for `keep_first_of_few`, whose lists get slow when they are long."""

_NOTHING: Final = -(2**64)
"""Lower than every number."""


def keep_first(starts: Keys, lasts: Keys) -> NDArray[np.bool_]:
    """Return which spans stay when each span that overlaps an earlier one that stays is dropped.

    `starts` and `lasts`, both shape (spans,), are the first and last position of each span, in
    file order. Spans rarely overlap, so they are sorted first, and only clusters of touching spans
    are compared one by one.
    """
    is_kept = np.ones(len(starts), np.bool_)
    for cluster in find_clusters(starts, lasts):
        keep = keep_first_of_few if len(cluster) <= FEW else keep_first_of_many
        is_kept[cluster] = keep(starts[cluster], lasts[cluster])
    return is_kept


def find_clusters(starts: Keys, lasts: Keys) -> list[NDArray[np.int64]]:
    """Return the indexes, ascending, of the spans in each cluster of two or more."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(lasts[order])
    touches = starts[order][1:] <= reached[:-1]
    if not touches.any():
        return []
    firsts = np.flatnonzero(np.concatenate([[True], ~touches]))
    ends = np.append(firsts[1:], len(order))
    large = np.flatnonzero(ends - firsts > 1)
    return [np.sort(order[firsts[i] : ends[i]]) for i in large.tolist()]


def keep_first_of_few(starts: Keys, lasts: Keys) -> list[bool]:
    """Return which spans of a cluster stay; fast for few spans, O(n²) for many."""
    kept_starts: list[int] = []
    kept_lasts: list[int] = []
    is_kept = []
    for start, last in zip(starts.tolist(), lasts.tolist(), strict=True):
        place = bisect_left(kept_lasts, start)
        is_free = place == len(kept_starts) or kept_starts[place] > last
        is_kept.append(is_free)
        if is_free:
            kept_starts.insert(place, start)
            kept_lasts.insert(place, last)
    return is_kept


def keep_first_of_many(starts: Keys, lasts: Keys) -> list[bool]:
    """Return which spans of a cluster stay; O(n log n).

    The spans that stay are disjoint. So among those that start at or before the end of a new span,
    the last one reaches furthest: the new span is free if that one ends before it starts.
    """
    by_start, places = np.unique(starts, return_inverse=True)
    ends = np.searchsorted(by_start, lasts, side="right").tolist()
    highest_last = _Maxima(len(by_start))
    is_kept = []
    for start, last, place, end in zip(
        starts.tolist(), lasts.tolist(), places.tolist(), ends, strict=True
    ):
        is_free = highest_last.find(end) < start
        is_kept.append(is_free)
        if is_free:
            highest_last.put(place, last)
    return is_kept


class _Maxima:
    """Numbers at places, and the highest number before a place; both steps take O(log n)."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._tree = [_NOTHING] * (places + 1)

    def put(self, place: int, number: int) -> None:
        """Put `number` at `place`, in addition to what is there."""
        node = place + 1
        while node <= self._places:
            self._tree[node] = max(self._tree[node], number)
            node += node & -node

    def find(self, end: int) -> int:
        """Return the highest number at a place below `end`, or -2^64."""
        highest = _NOTHING
        while end:
            highest = max(highest, self._tree[end])
            end &= end - 1
        return highest
