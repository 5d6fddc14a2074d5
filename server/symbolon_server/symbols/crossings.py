"""Which ranges stay where one that crosses an earlier one is dropped."""

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.maxima import Maxima

Keys = NDArray[np.uint64]


def keep_nested(starts: Keys, lasts: Keys) -> list[bool]:
    """Return which ranges cross no earlier one that stays; time n log n.

    `starts` and `lasts`, both shape (ranges,), are the first and last position of each range in
    the order of the records. Two ranges cross where each has a position of the other and one that
    the other has not.
    """
    by_start, start_places = np.unique(starts, return_inverse=True)
    by_last, last_places = np.unique(lasts, return_inverse=True)
    # A kept range crosses a new one if it starts within the new one and ends behind it, ...
    highest_last = Maxima(len(by_start))
    first_within = np.searchsorted(by_start, starts, side="right").tolist()
    end_within = np.searchsorted(by_start, lasts, side="right").tolist()
    # ... or if it ends within the new one and starts before it: the lowest start, so negated.
    lowest_start = Maxima(len(by_last))
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
