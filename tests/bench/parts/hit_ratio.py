"""Misses of a bounded store under a crash workload: pages, whole modules, and names only."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain, cycle, islice
from typing import Final

import numpy as np

from tests.bench.parts.hit_ratio_sizes import MOST_PAGES, SEED, KeyBytes, ModuleSizes, sizes_of
from tests.bench.parts.hit_ratio_stores import (
    NAMES,
    PAGES,
    SCALE,
    WHOLE,
    Asked,
    ModuleStore,
    PageStore,
    Store,
)
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, PartResult, Plot, Table
from tests.bench.world.workload import STAYS, Workload

_BATCH: Final = 5_000
"""Lookups between two looks into the stores; Redis tells ages in seconds, which is longer."""

_LIMIT: Final = 0.01
_OF_WHOLE, _OF_NAMES = 0.25, 0.6
_HOPELESS: Final = 3 * _LIMIT
"""A store that misses so many of the lookups so far is far too small, and is given up: the longer
it lasts the more it misses."""

_SOON: Final = 0.02
"""The share of all lookups after which a store may be given up."""

_SHARES: Final = {
    PAGES: (1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0),
    WHOLE: (10.0, 14.0, 16.0, 20.0),
    NAMES: (6.3, 10.0, 16.0, 25.0),
}
"""Sizes of the stores, as shares of what one build of all modules takes, whole or only names."""


def run(bench: Bench) -> PartResult:
    """Let the same lookups fall on stores of several sizes at once, each a real Redis."""
    sizes = _read_sizes(bench)
    # As in a real process: few large modules, which most frames are in, and many small ones.
    modules = list(islice(chain(sizes, cycle(sizes[-2:])), bench.plan.hit_modules))
    key_bytes = KeyBytes.measure(bench.files[0].module_id)
    with ExitStack() as opened:
        simulations = [
            _Simulation(bench, modules, key_bytes, exponent, opened)
            for exponent in bench.plan.hit_exponents
        ]
        batches = range(0, bench.plan.hit_lookups, _BATCH)
        bench.progress.begin("hit_ratio: lookups", len(batches))
        # Side by side, so that more seconds pass between the first and the last lookup.
        for start in batches:
            for simulation in simulations:
                simulation.look_up(start)
            bench.progress.advance()
    return _result(bench, simulations)


def _read_sizes(bench: Bench) -> list[ModuleSizes]:
    bench.progress.begin("hit_ratio: symbol files are read", len(bench.files))
    sizes = []
    for file in bench.files:
        sizes.append(sizes_of(file))
        bench.progress.advance()
    return sizes


class _Simulation:
    """One workload on all stores."""

    def __init__(
        self,
        bench: Bench,
        modules: Sequence[ModuleSizes],
        key_bytes: KeyBytes,
        exponent: float,
        opened: ExitStack,
    ) -> None:
        self.exponent = exponent
        self._lookups = Workload.draw(
            np.random.default_rng(SEED),
            bench.plan.hit_lookups,
            bench.plan.hit_builds,
            [module.pages_of_functions for module in modules],
            exponent,
        )
        self._modules = len(modules)
        keys = bench.plan.hit_builds * len(modules)
        self._seen_modules = np.zeros(keys, np.bool_)
        self._seen_pages = np.zeros(keys * MOST_PAGES, np.bool_)
        self.stores: list[Store] = []
        for layout, shares in _SHARES.items():
            build = sum(module.names if layout == NAMES else module.whole for module in modules)
            make = PageStore if layout == PAGES else ModuleStore
            self.stores += [
                make(layout, round(build * share), modules, key_bytes, opened) for share in shares
            ]

    def look_up(self, start: int) -> None:
        """Let the next lookups fall on every store."""
        rows = slice(start, start + _BATCH)
        lookups = self._lookups
        module = lookups.build[rows] * self._modules + lookups.module[rows]
        asked = Asked.of(module, lookups.page[rows], self._seen_modules, self._seen_pages)
        is_soon = start < _SOON * len(lookups.build)
        for store in self.stores:
            if is_soon or store.capacity_share < _HOPELESS:
                store.look_up(asked)
        self._seen_modules[asked.modules] = True
        self._seen_pages[asked.pages] = True


def memory_at(limit: float, points: Sequence[tuple[float, float]]) -> float:
    """Return the memory at which the share of misses falls to `limit`; NaN where it never does.

    `points` are pairs of memory and share, ascending; between two of them the logarithms of
    both are taken to lie on a line.
    """
    before: tuple[float, float] | None = None
    for memory, share in points:
        if share <= limit:
            if before is None or share <= 0:
                return memory
            part = math.log(before[1] / limit) / math.log(before[1] / share)
            return before[0] * math.pow(memory / before[0], part)
        before = memory, share
    return math.nan


def _result(bench: Bench, simulations: Sequence[_Simulation]) -> PartResult:
    needs, rows, bars, plots = [], [], [], []
    for simulation in simulations:
        exponent = simulation.exponent
        curves = {
            layout: [
                (store.max_bytes / MB, store.capacity_share)
                for store in simulation.stores
                if store.layout == layout
            ]
            for layout in _SHARES
        }
        need = {layout: memory_at(_LIMIT, curve) for layout, curve in curves.items()}
        of_whole, of_names = need[PAGES] / need[WHOLE], need[PAGES] / need[NAMES]
        needs.append([exponent, *(map(_shown, (*need.values(), of_whole, of_names)))])
        for figure, limit, what in (
            (of_whole, _OF_WHOLE, "whole modules"),
            (of_names, _OF_NAMES, "names only"),
        ):
            if not math.isnan(figure):
                name = f"memory at 1 % capacity misses ÷ {what}, Zipf {exponent}"
                bars.append(Bar(name, figure, limit, is_floor=False))
        rows += [_row(exponent, store) for store in simulation.stores]
        plots.append(
            Plot(
                f"hit-ratio-{exponent}",
                f"Misses for lack of memory, Zipf {exponent}",
                "maxmemory (MB)",
                "% of lookups",
                {
                    layout: [(memory, max(share * 100, 0.001)) for memory, share in curve]
                    for layout, curve in curves.items()
                },
                is_log=True,
            )
        )
    return PartResult(
        part="hit_ratio",
        tables=[
            Table(
                "Memory (MB) at which 1 % of lookups miss for lack of it",
                ("Zipf exponent", *_SHARES, "pages ÷ whole", "pages ÷ names"),
                needs,
            ),
            Table("Every store", _COLUMNS, rows),
        ],
        bars=bars,
        plots=plots,
        notes=_notes(bench),
    )


_COLUMNS: Final = (
    "Zipf exponent",
    "kept",
    "maxmemory (MB)",
    "hits (%)",
    "capacity misses (%)",
    "pages never asked for before, not put (%)",
)


def _row(exponent: float, store: Store) -> tuple[float | str, ...]:
    return (
        exponent,
        store.layout,
        store.max_bytes / MB,
        100 - 100 * store.misses / store.lookups,
        100 * store.capacity_share,
        100 * store.unput_misses / store.lookups,
    )


def _shown(figure: float) -> float | str:
    return "not reached" if math.isnan(figure) else figure


def _notes(bench: Bench) -> list[str]:
    plan = bench.plan
    workload = (
        f"{plan.hit_lookups:,} lookups in {plan.hit_modules} modules (each symbol file once, "
        f"then the two smallest again and again), {plan.hit_builds} builds one after the other; "
        "each build is the newest for the same number of lookups, and a build's share falls by "
        f"{STAYS} with each newer one. "
        "Modules, and functions within a module, by Zipf's law; a function is looked up at one "
        f"of its ranges, chosen by chance for all builds, as is its rank; seed {SEED}."
    )
    stores = (
        f"Every store is a real Redis with allkeys-lru; keys and stores are at 1/{SCALE} of "
        "their size, figures are at full size. One that is far too small is given up soon."
    )
    misses = (
        "A miss for lack of memory (capacity miss) is one of something that had been asked for "
        "before. A full store is given only the pages that are asked for: the last column is "
        "the first use of those that an unlimited store would have been given with the rest of "
        "their module. Their number has a limit, the number of pages, however many lookups there "
        "are; they come from the spool."
    )
    return [workload, stores, misses]
