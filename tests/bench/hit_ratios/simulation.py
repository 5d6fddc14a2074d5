"""Simulated stores of a fixed size under the hit ratio's workload, on all cores."""

import math
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from random import Random
from types import MappingProxyType
from typing import Final

from tests.bench.hit_ratios.insertion import AllAsNew, Insertion, Policy, WhileThereIsRoom
from tests.bench.hit_ratios.sizes import SEED
from tests.bench.hit_ratios.world import Keys, Load, Lookups, World
from tests.bench.world.simulated_redis import SimulatedRedis

POLICY, ONCE_FULL, PLAIN, WHOLE, NAMES = (
    "pages by their ages",
    "pages, once full only those asked for",
    "pages, all as new",
    "whole modules",
    "names only",
)
"""What a store keeps."""

INSERTIONS: Final[Mapping[str, Callable[[World, ExitStack], Insertion]]] = MappingProxyType(
    {
        POLICY: Policy,
        ONCE_FULL: lambda world, _: WhileThereIsRoom(world),
        PLAIN: lambda world, _: AllAsNew(world),
    }
)

TOLD_PER_BUILD: Final = 8
"""How often servers tell of lookups while a build is the newest."""

HOPELESS: Final = 0.4
"""A store that misses so many of the lookups is far too small, and is given up."""

SOON: Final = 0.2
"""The share of all lookups after which a store may be given up."""


@dataclass(frozen=True, slots=True)
class Case:
    """One store and the lookups that fall on it."""

    kept: str
    load: Load
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Misses:
    """What was missed of some lookups; every lookup that found anything missing counts once."""

    lookups: int
    total: int
    again: int
    """Of pages that had been asked for before; 0 where pages are not kept."""

    @property
    def percent(self) -> float:
        """The share of lookups that missed anything."""
        return 100 * self.total / self.lookups

    @property
    def again_percent(self) -> float:
        """The share of lookups that missed something, of a page that was asked for before."""
        return 100 * self.again / self.lookups


def simulate_all(
    world: World, cases: Sequence[Case], advance: Callable[[], None]
) -> dict[Case, Misses]:
    """Return the misses in each case; `advance` is called after each."""
    context = get_context("spawn")  # threads of the caller would not survive a fork
    with ProcessPoolExecutor(os.cpu_count(), context, _set_world, (world,)) as executor:
        running = {executor.submit(_simulate_here, case): case for case in cases}
        found = {}
        for done in as_completed(running):
            found[running[done]] = done.result()
            advance()
    return found


_worlds: list[World] = []
"""In a process of its own: the only one."""


def _set_world(world: World) -> None:
    _worlds[:] = [world]


def _simulate_here(case: Case) -> Misses:
    return simulate(_worlds[0], case, _lookups_here(case.load))


@lru_cache(maxsize=1)
def _lookups_here(load: Load) -> Lookups:
    return Lookups.draw(_worlds[0], load)


def simulate(world: World, case: Case, lookups: Lookups) -> Misses:
    """Let lookups fall on a simulated store."""
    if case.kept in INSERTIONS:
        with ExitStack() as opened:
            insertion = INSERTIONS[case.kept](world, opened)
            return PageStore(world, case.max_bytes, insertion).look_up(lookups)
    sizes = world.whole_sizes if case.kept == WHOLE else world.name_sizes
    return simulate_modules(sizes, case.max_bytes, lookups)


def simulate_modules(sizes: Keys, max_bytes: int, lookups: Lookups) -> Misses:
    """Let lookups fall on a store that keeps whole modules, each of them one key."""
    server = SimulatedRedis(sizes, max_bytes, Random(SEED))
    missed = 0
    for module, now in zip(lookups.module.tolist(), lookups.second.tolist(), strict=True):
        if server.positions[module] >= 0:
            server.used_at[module] = now
        else:
            server.now = now
            server.put(module)
            missed += 1
    return Misses(len(lookups), missed, 0)


class PageStore:
    """Keeps pages as workers and servers do; of a new module those that `insertion` says."""

    def __init__(self, world: World, max_bytes: int, insertion: Insertion) -> None:
        self.server = SimulatedRedis(world.page_sizes, max_bytes, Random(SEED))
        self._insertion = insertion
        self._builds = world.builds
        self._asked_at = array("i", [-1]) * len(world.page_sizes)
        self._missed = self._again = 0

    def look_up(self, lookups: Lookups) -> Misses:
        """Let all lookups fall on the store, until it is given up."""
        end = 0
        at_once = math.ceil(len(lookups) / (TOLD_PER_BUILD * self._builds))
        for start in range(0, len(lookups), at_once):
            end = min(start + at_once, len(lookups))
            self._look_up(lookups, start, end)
            self._insertion.tell(lookups, slice(start, end), self.server.now, self.server)
            if end >= SOON * len(lookups) and self._missed > HOPELESS * end:
                break
        return Misses(end, self._missed, self._again)

    def _look_up(self, lookups: Lookups, start: int, end: int) -> None:
        positions, used_at, asked_at = self.server.positions, self.server.used_at, self._asked_at
        now = self.server.now
        for row, now, page, dictionary, directory in _rows(lookups, start, end):
            if positions[page] >= 0 and positions[dictionary] >= 0 and positions[directory] >= 0:
                used_at[page] = used_at[dictionary] = used_at[directory] = now
            else:
                self.server.now = now
                self._miss(lookups, row)
            asked_at[page] = now
        self.server.now = now

    def _miss(self, lookups: Lookups, row: int) -> None:
        server = self.server
        page, directory = int(lookups.page[row]), int(lookups.directory[row])
        has_page, has_directory = server.positions[page] >= 0, server.positions[directory] >= 0
        self._missed += 1
        self._again += self._asked_at[page] >= 0
        if has_directory and not has_page:
            self._insertion.miss(int(lookups.module[row]), int(lookups.page_number[row]))
        for key in (page, int(lookups.dictionary[row]), directory):
            server.use(key)
        if not has_directory:
            self._ingest(int(lookups.module[row]), directory + 2, page)

    def _ingest(self, module: int, first: int, asked: int) -> None:
        server = self.server
        numbers, ages = self._insertion.ages(module, server.now, server)
        others = first + numbers != asked
        server.put_all(first + numbers[others], ages[others])


def _rows(lookups: Lookups, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Return an iterator over number, second, page, dictionary and directory of lookups."""
    rows = slice(start, end)
    return zip(
        range(start, end),
        lookups.second[rows].tolist(),
        lookups.page[rows].tolist(),
        lookups.dictionary[rows].tolist(),
        lookups.directory[rows].tolist(),
        strict=True,
    )
