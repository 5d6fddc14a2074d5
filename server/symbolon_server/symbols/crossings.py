"""Which ranges stay where one that crosses an earlier one is dropped."""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_NOTHING = -(2**64)
"""Lower than every number that is put."""


def keep_nested(starts: Keys, lasts: Keys) -> list[bool]:
    """Return which ranges cross no earlier one that stays; time n log n.

    `starts` and `lasts`, both shape (ranges,), are the first and last position of each range in
    the order of the records. Two ranges cross where each has a position of the other and one that
    the other has not.
    """
    by_start, start_places = np.unique(starts, return_inverse=True)
    by_last, last_places = np.unique(lasts, return_inverse=True)
    # A kept range crosses a new one if it starts within the new one and ends behind it, ...
    highest_last = _Maxima(len(by_start))
    first_within = np.searchsorted(by_start, starts, side="right").tolist()
    end_within = np.searchsorted(by_start, lasts, side="right").tolist()
    # ... or if it ends within the new one and starts before it: the lowest start, so negated.
    lowest_start = _Maxima(len(by_last))
    first_ending = np.searchsorted(by_last, starts).tolist()
    end_ending = last_places.tolist()
    is_kept = []
    for i, (start, last) in enumerate(zip(starts.tolist(), lasts.tolist(), strict=True)):
        ends_behind = highest_last.find(first_within[i], end_within[i]) > last
        starts_before = lowest_start.find(first_ending[i], end_ending[i]) > -start
        is_kept.append(not (ends_behind or starts_before))
        if is_kept[-1]:
            highest_last.put(int(start_places[i]), last)
            lowest_start.put(end_ending[i], -start)
    return is_kept


class _Maxima:
    """Numbers at places, and the highest of those between any two places, in a tree of maxima."""

    def __init__(self, places: int) -> None:
        """Start with nothing at any of the `places`."""
        self._leaves = places
        self._tree = [_NOTHING] * (2 * places)

    def put(self, place: int, number: int) -> None:
        """Put `number` at `place`, beside what is there."""
        node = place + self._leaves
        while node and self._tree[node] < number:
            self._tree[node] = number
            node >>= 1

    def find(self, first: int, end: int) -> int:
        """Return the highest number at a place from `first` up to `end`."""
        highest = _NOTHING
        low, high = first + self._leaves, end + self._leaves
        while low < high:
            if low & 1:
                highest = max(highest, self._tree[low])
                low += 1
            if high & 1:
                high -= 1
                highest = max(highest, self._tree[high])
            low >>= 1
            high >>= 1
        return highest
