"""Lookups as crash reports cause them over the life of many builds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

STAYS: Final = 0.7
"""How likely a report is from the build before, rather than from the newest: again and again, so
that a build's share of the reports falls by this factor with each further build."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Workload:
    """Lookups in the order of time; all columns have shape (lookups,)."""

    build: Numbers
    module: Numbers
    page: Numbers

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        lookups: int,
        builds: int,
        pages_of_functions: Sequence[Numbers],
        exponent: float,
    ) -> "Workload":
        """Return lookups of functions in modules; both are chosen by Zipf's law.

        For each module there is given on which page each of its functions is looked up. The rank
        of a module is its number; a module's functions have ranks by chance, the same in all
        builds. Every build is the newest for the same number of lookups.
        """
        functions = np.array([len(pages) for pages in pages_of_functions])
        newest = np.arange(lookups) * builds // lookups
        age = random.geometric(1 - STAYS, lookups) - 1
        module = _draw_ranks(random, np.full(lookups, len(functions)), exponent)
        rank = _draw_ranks(random, functions[module], exponent)
        page_of_rank = np.concatenate([random.permutation(pages) for pages in pages_of_functions])
        page = page_of_rank[(np.cumsum(functions) - functions)[module] + rank]
        return cls(np.maximum(newest - age, 0), module, page)


def _draw_ranks(random: np.random.Generator, counts: Numbers, exponent: float) -> Numbers:
    """Return for each of `counts` a rank below it, by Zipf's law cut off there."""
    weights = np.arange(1, counts.max() + 1, dtype=np.float64) ** -exponent
    sums = np.cumsum(weights)
    drawn = random.random(len(counts)) * sums[counts - 1]
    return np.minimum(np.searchsorted(sums, drawn, side="right"), counts - 1)
