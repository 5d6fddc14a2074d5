"""What the hit ratio counts, on small worlds whose misses are known."""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest

from symbolon_server.insertion.ages import PageFunctions
from symbolon_server.insertion.function_uses import fingerprints_of
from tests.bench.hit_ratios.insertion import AllAsNew, Insertion, Policy, WhileThereIsRoom
from tests.bench.hit_ratios.simulation import PageStore, simulate_modules
from tests.bench.hit_ratios.sizes import ModuleSizes
from tests.bench.hit_ratios.world import Load, Lookups, World

BUILDS = 12
UNLIMITED = 1 << 40


def module_of(pages: int, dictionary: int) -> ModuleSizes:
    """Return a module with four functions on each of its pages."""
    page_of = np.arange(4 * pages) // 4
    names = [b"function%d" % number for number in range(4 * pages)]
    return ModuleSizes(
        pages=[2_000 + number % 7 * 100 for number in range(pages)],
        dictionary=dictionary,
        directory=500,
        whole=2_000 * pages,
        names=1_000 * pages,
        pages_of_functions=page_of,
        function_names=names,
        page_functions=PageFunctions(page_of, fingerprints_of(names)),
    )


@pytest.fixture
def world() -> World:
    return World([module_of(300, 3_000), module_of(100, 0), module_of(20, 0)], BUILDS, 100.0)


@pytest.fixture
def lookups(world: World) -> Lookups:
    return Lookups.draw(world, Load(1.0, 30_000, BUILDS))


def insertions(world: World, opened: ExitStack) -> list[Insertion]:
    return [AllAsNew(world), WhileThereIsRoom(world), Policy(world, opened)]


def test_without_a_limit_each_module_misses_once(world: World, lookups: Lookups) -> None:
    modules = len(np.unique(lookups.module))
    with ExitStack() as opened:
        for insertion in insertions(world, opened):
            misses = PageStore(world, UNLIMITED, insertion).look_up(lookups)
            assert (misses.total, misses.again) == (modules, 0)
    assert simulate_modules(world.whole_sizes, UNLIMITED, lookups).total == modules


def test_in_a_store_without_room_every_lookup_of_another_module_misses(world: World) -> None:
    lookups = Lookups.draw(world, Load(1.0, 3_000, BUILDS))
    misses = simulate_modules(world.whole_sizes, 0, lookups)
    # A key too many is there until the next one is put.
    changes = np.count_nonzero(np.diff(lookups.module)) + 1
    assert misses.total == pytest.approx(changes, rel=0.01)


@dataclass(frozen=True, slots=True)
class FullStore:
    """A store whose keys are all idle for the same time."""

    idle: int
    limit: int = 1
    used: int = 1
    evictions: int = 1

    def sample_idle(self, count: int) -> list[int]:
        return [self.idle] * count


def test_the_policy_puts_pages_in_use_as_younger_than_others(world: World) -> None:
    lookups = Lookups.draw(world, Load(1.5, 2_000, BUILDS))
    hottest = np.bincount(lookups.page_number[lookups.file == 0]).argmax()
    new, known = 2 * len(world.files), 0
    with ExitStack() as opened:
        policy = Policy(world, opened)
        assert not policy.ages(known, 0, FullStore(0))[1].any()
        for second in range(10):
            policy.tell(lookups, slice(0, 2_000), 100 * second, FullStore(1_000_000))
        numbers, ages = policy.ages(new, 1_000, FullStore(1_000_000))
        by_number = dict(zip(numbers.tolist(), ages.tolist(), strict=True))
        assert by_number[hottest] < 100
        assert max(by_number.values()) > 300_000
        assert min(policy.ages(known, 1_000, FullStore(1_000_000))[1]) > 300_000
