"""Which of many spans stay where the first one wins."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def keep_first(starts: Keys, lasts: Keys) -> NDArray[np.bool_]:
    """Return which spans stay when each one that overlaps an earlier one is dropped whole.

    `starts` and `lasts`, both shape (spans,), are the first and last position of each span;
    earlier means earlier in the arrays. Spans rarely overlap, so they are sorted first, and only
    clusters of spans that touch each other are looked at one by one.
    """
    is_kept = np.ones(len(starts), np.bool_)
    for cluster in find_clusters(starts, lasts):
        is_kept[cluster] = _keep_first_of_cluster(starts[cluster].tolist(), lasts[cluster].tolist())
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


def _keep_first_of_cluster(starts: list[int], lasts: list[int]) -> list[bool]:
    kept_starts: list[int] = []
    kept_lasts: list[int] = []
    is_kept = []
    for start, last in zip(starts, lasts, strict=True):
        place = bisect_left(kept_lasts, start)
        is_free = place == len(kept_starts) or kept_starts[place] > last
        is_kept.append(is_free)
        if is_free:
            kept_starts.insert(place, start)
            kept_lasts.insert(place, last)
    return is_kept
