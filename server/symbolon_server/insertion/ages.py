"""The insertion ages of a module's pages, from what the cache knew when its ingest began."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.insertion.function_uses import Fingerprints, expected_seconds

INTERVAL_SHARE: Final = 1 / 30
"""The age of a page, as a share of the interval at which its hottest function is asked for."""

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


ALL_NEW: Final = InsertionTerms()
"""For a store that does not evict, or a cache that does not answer: all pages are put as new."""


def insertion_ages(
    terms: InsertionTerms, pages: int, read_functions: Callable[[], PageFunctions]
) -> Ages:
    """Return the ages of a module's pages; `read_functions` is called only if they matter."""
    if terms.eviction_age is None:
        return np.zeros(pages)
    ages = np.full(pages, terms.oldest)
    if not terms.are_all_equal():
        page, functions = read_functions()
        due = expected_seconds(terms.uses, functions, terms.now)
        np.minimum.at(ages, page, INTERVAL_SHARE * terms.scale * due)
    ages[ages >= LATEST_SHARE * terms.eviction_age] = math.inf
    return ages


def plain_ages(terms: InsertionTerms, ages: Ages) -> Ages:
    """Return the ages for a store that takes none: 0, or infinite for the older pages."""
    limit = PLAIN_SHARE * (terms.eviction_age or math.inf)
    return np.where(ages < limit, 0.0, math.inf)
