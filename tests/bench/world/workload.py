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
    function: Numbers
    """The row among the functions of the module, the same in all builds."""

    page: Numbers

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        lookups: int,
        builds: int,
        pages_of_functions: Sequence[Numbers],
        exponent: float,
        *,
        is_drawn_anew: bool = False,
    ) -> "Workload":
        """Return lookups of functions in modules; both are chosen by Zipf's law.

        For each module there is given on which page each of its functions is looked up. The rank
        of a module is its number; a module's functions have ranks by chance, the same in all
        builds, or drawn anew for each. Every build is the newest for the same number of lookups.
        """
        functions = np.array([len(pages) for pages in pages_of_functions])
        newest = np.arange(lookups) * builds // lookups
        age = random.geometric(1 - STAYS, lookups) - 1
        module = _draw_ranks(random, np.full(lookups, len(functions)), exponent)
        rank = _draw_ranks(random, functions[module], exponent)
        build = np.maximum(newest - age, 0)
        first = (np.cumsum(functions) - functions)[module]
        function = np.empty_like(rank)
        for rows in _rows_of_builds(build) if is_drawn_anew else [np.arange(lookups)]:
            of_rank = np.concatenate([random.permutation(count) for count in functions])
            function[rows] = of_rank[first[rows] + rank[rows]]
        return cls(build, module, function, np.concatenate(pages_of_functions)[first + function])


def _rows_of_builds(build: Numbers) -> list[Numbers]:
    """Return the rows with each number of a build."""
    order = build.argsort(kind="stable")
    return np.split(order, np.flatnonzero(np.diff(build[order])) + 1)


def _draw_ranks(random: np.random.Generator, counts: Numbers, exponent: float) -> Numbers:
    """Return for each of `counts` a rank below it, by Zipf's law cut off there."""
    weights = np.arange(1, counts.max() + 1, dtype=np.float64) ** -exponent
    sums = np.cumsum(weights)
    drawn = random.random(len(counts)) * sums[counts - 1]
    return np.minimum(np.searchsorted(sums, drawn, side="right"), counts - 1)
