"""The insertion ages of a module's pages, from what the cache knew when its ingest began."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.insertion.function_uses import Fingerprints, expected_seconds

OLDEST_OF_SAMPLE: Final = 5
"""The eviction age is the idle time of the fifth oldest of the sampled keys."""

LEAST_EVICTION_AGE: Final = 1.0
"""Redis counts idle times in whole seconds."""

INTERVAL_SHARE: Final = 1 / 15
"""The age of a page, as a share of the interval at which it is asked for, for any function."""

LATEST_SHARE: Final = 0.9
"""A page older than this share of the eviction age is not put: it would leave before its use."""

PLAIN_SHARE: Final = 0.5
"""In a store that takes no ages: younger pages than this share are put as new, the others not."""

Ages = NDArray[np.float64]
"""Shape (pages,), in seconds; infinite for a page that is not put."""


class PageFunctions(NamedTuple):
    """The functions of a module's pages: pairs of a page and a function, sorted by page."""

    page: NDArray[np.int64]
    """Shape (pairs,)."""

    functions: Fingerprints
    """Shape (pairs, 3)."""


def no_functions() -> PageFunctions:
    """Return none, for pages whose functions are not known."""
    return PageFunctions(np.empty(0, np.int64), np.empty((0, 3), np.uint16))


@dataclass(frozen=True, slots=True)
class InsertionTerms:
    """What an ingest has to know of the store and of earlier builds."""

    eviction_age: float | None = None
    """The idle time in seconds at which the store evicts a key; None if it does not evict."""

    scale: float = 1.0
    was_ingested: bool = False
    uses: bytes = b""
    """The table of the debug file's function uses."""

    now: float = 0.0
    """Unix seconds."""

    @property
    def oldest(self) -> float:
        """The age of a page of which nothing is known, in seconds: half an eviction age at 1."""
        return (self.eviction_age or 0.0) * self.scale / (1.0 + self.scale)

    def are_all_equal(self) -> bool:
        """Return whether all pages get the same age, whatever functions they have."""
        return self.eviction_age is None or self.was_ingested or not self.uses


def eviction_age_of(idle_seconds: Sequence[float]) -> float:
    """Return the eviction age of a store with these idle times of random keys, at least one."""
    return max(LEAST_EVICTION_AGE, sorted(idle_seconds)[-OLDEST_OF_SAMPLE:][0])


ALL_NEW: Final = InsertionTerms()
"""For a store that does not evict: all pages are put as new."""


def insertion_ages(
    terms: InsertionTerms, pages: int, read_functions: Callable[[], PageFunctions]
) -> Ages:
    """Return the ages of a module's pages; `read_functions` is called only if they matter."""
    if terms.eviction_age is None:
        return np.zeros(pages)
    ages = np.full(pages, terms.oldest)
    if not terms.are_all_equal():
        page, functions = read_functions()
        due = np.maximum(expected_seconds(terms.uses, functions, terms.now), 1.0)
        uses_per_second = np.bincount(page, 1.0 / (due * _pages_of(functions)), minlength=pages)
        with np.errstate(divide="ignore"):  # none of a page's functions has a known use
            np.minimum(ages, INTERVAL_SHARE * terms.scale / uses_per_second, out=ages)
    ages[ages >= LATEST_SHARE * terms.eviction_age] = math.inf
    return ages


def _pages_of(functions: Fingerprints) -> NDArray[np.int64]:
    """Return on how many pages the function of each pair is, which share its uses."""
    numbers = functions.astype(np.int64) @ np.array([1 << 32, 1 << 16, 1])
    _, of_pair, pages = np.unique(numbers, return_inverse=True, return_counts=True)
    return pages[of_pair]


def plain_ages(terms: InsertionTerms, ages: Ages) -> Ages:
    """Return the ages for a store that takes none: 0, or infinite for the older pages."""
    limit = PLAIN_SHARE * (terms.eviction_age or math.inf)
    return np.where(ages < limit, 0.0, math.inf)
