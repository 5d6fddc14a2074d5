"""Which of many spans stay where the first one wins."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.reading.maxima import Maxima

Keys = NDArray[np.uint64]

FEW = 4096
"""The largest cluster that is gone through with lists, which get slow when they are long."""


def keep_first(starts: Keys, lasts: Keys) -> NDArray[np.bool_]:
    """Return which spans stay when each one that overlaps an earlier one is dropped whole.

    `starts` and `lasts`, both shape (spans,), are the first and last position of each span;
    earlier means earlier in the arrays. Spans rarely overlap, so they are sorted first, and only
    clusters of spans that touch each other are looked at one by one.
    """
    is_kept = np.ones(len(starts), np.bool_)
    for cluster in find_clusters(starts, lasts):
        keep = keep_first_of_few if len(cluster) <= FEW else keep_first_of_many
        is_kept[cluster] = keep(starts[cluster], lasts[cluster])
    return is_kept


def find_clusters(starts: Keys, lasts: Keys) -> list[NDArray[np.int64]]:
    """Return the indexes, ascending, of the spans of each cluster of two or more."""
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
    """Return which spans of a cluster stay; quick for a few, time n^2 for many."""
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
    """Return which spans of a cluster stay; time n log n.

    Those that stay are apart, so of those that start at or before the end of a new one the last
    one reaches highest: the new one is free if that ends before it starts.
    """
    by_start, places = np.unique(starts, return_inverse=True)
    ends = np.searchsorted(by_start, lasts, side="right").tolist()
    highest_last = Maxima(len(by_start))
    is_kept = []
    for start, last, place, end in zip(
        starts.tolist(), lasts.tolist(), places.tolist(), ends, strict=True
    ):
        is_free = highest_last.find(0, end) < start
        is_kept.append(is_free)
        if is_free:
            highest_last.put(place, last)
    return is_kept
