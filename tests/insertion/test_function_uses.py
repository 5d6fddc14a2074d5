"""The table of function uses against a slow model that keeps everything."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.insertion.function_uses import (
    LATEST_SECONDS,
    SLOT_BYTES,
    expected_seconds,
    fingerprints_of,
    slots_for,
)
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.insertion.scripts import NEW_SHARE
from symbolon_server.redis_servers.keys import USES_PREFIX
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import FakeClock

START = 1_700_000_000
FILE = "xul.so"
MODULE_ID = ModuleId(FILE, "1" * 33)


@dataclass
class Model:
    """Remembers the uses of every function without bounds."""

    last: dict[bytes, float] = field(default_factory=dict)
    interval: dict[bytes, float] = field(default_factory=dict)

    def use(self, function: bytes, now: float) -> None:
        if function in self.last:
            interval = now - self.last[function]
            mean = self.interval.get(function, interval)
            self.interval[function] = (1 - NEW_SHARE) * mean + NEW_SHARE * interval
        self.last[function] = now

    def expected(self, function: bytes, now: float) -> float:
        if function not in self.last:
            return math.inf
        idle = now - self.last[function]
        return max(self.interval[function], idle) if function in self.interval else 2 * idle


NAMES = st.sets(st.sampled_from([b"f%d" % number for number in range(12)]), min_size=1)
STEPS = st.lists(st.tuples(st.integers(0, 5000), NAMES), min_size=1, max_size=12)


@settings(max_examples=60)
@given(STEPS)
def test_intervals_are_those_of_a_model_that_forgets_nothing(
    redis_cache: redis.Redis, steps: list[tuple[int, set[bytes]]]
) -> None:
    redis_cache.flushall()
    clock, model = FakeClock(float(START)), Model()
    memory = InsertionMemory(KeyedCache(redis_cache), clock)
    for seconds, functions in steps:
        clock.now += seconds
        memory.tell_uses(FILE, 5000, functions)
        for function in functions:
            model.use(function, clock.now)
    names = [b"f%d" % number for number in range(15)]
    clock.now += 30
    found = expected_seconds(memory.terms(MODULE_ID).uses, fingerprints_of(names), clock.now)
    expected = [model.expected(name, clock.now) for name in names]
    np.testing.assert_allclose(found, expected, rtol=0.003, atol=0.01)


def test_a_full_table_keeps_what_is_used_most(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    clock = FakeClock(float(START))
    memory = InsertionMemory(KeyedCache(redis_cache), clock)
    hot = [b"hot %d" % number for number in range(100)]
    for minute in range(30):
        clock.now += 60
        memory.tell_uses(FILE, 100, hot)
        memory.tell_uses(FILE, 100, [b"cold %d of %d" % (n, minute) for n in range(100)])
    table = memory.terms(MODULE_ID).uses
    assert len(table) == slots_for(100) * SLOT_BYTES
    due = expected_seconds(table, fingerprints_of(hot), clock.now)
    assert np.isfinite(due).mean() > 0.8
    assert np.median(due) == pytest.approx(60, rel=0.01)


@pytest.mark.parametrize(
    ("pages", "slots"), [(0, 16), (1, 16), (100, 400), (7000, 28_000), (10**6, 32_768)]
)
def test_a_table_has_four_slots_a_page_within_bounds(pages: int, slots: int) -> None:
    assert slots_for(pages) == slots


@pytest.mark.parametrize("value", [b"", b"foreign", bytes(17)])
def test_a_foreign_table_has_no_uses_and_is_replaced(
    redis_cache: redis.Redis, clear_redis_cache: None, value: bytes
) -> None:
    memory = InsertionMemory(KeyedCache(redis_cache), FakeClock(float(START)))
    redis_cache.set(USES_PREFIX + FILE, value)
    prints = fingerprints_of([b"main"])
    assert expected_seconds(memory.terms(MODULE_ID).uses, prints, START) == [math.inf]
    memory.tell_uses(FILE, 10, [b"main"])
    assert expected_seconds(memory.terms(MODULE_ID).uses, prints, START + 10) == [20]


def test_a_key_of_another_type_is_replaced(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    memory = InsertionMemory(KeyedCache(redis_cache), FakeClock(float(START)))
    redis_cache.lpush(USES_PREFIX + FILE, "foreign")
    memory.tell_uses(FILE, 10, [b"main"])
    assert len(memory.terms(MODULE_ID).uses) == slots_for(10) * SLOT_BYTES


def test_a_clock_that_is_set_back_makes_intervals_of_zero(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    clock = FakeClock(float(START))
    memory = InsertionMemory(KeyedCache(redis_cache), clock)
    for seconds in (0, -500, -500):
        clock.now += seconds
        memory.tell_uses(FILE, 10, [b"main"])
    due = expected_seconds(memory.terms(MODULE_ID).uses, fingerprints_of([b"main"]), clock.now)
    assert due == [0]


def test_uses_from_before_the_clock_was_set_back_by_days_are_none(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    """Otherwise they would be new, and keep their slots, until the clock is there again."""
    clock = FakeClock(float(START))
    memory = InsertionMemory(KeyedCache(redis_cache), clock)
    clock.now += 2 * LATEST_SECONDS
    memory.tell_uses(FILE, 1, [b"late %d" % number for number in range(100)])
    clock.now -= 2 * LATEST_SECONDS
    late, *prints = (fingerprints_of([name]) for name in (b"late 99", b"main", b"other"))
    assert expected_seconds(memory.terms(MODULE_ID).uses, late, clock.now) == [math.inf]
    memory.tell_uses(FILE, 1, [b"main", b"other"])
    table = memory.terms(MODULE_ID).uses
    assert [expected_seconds(table, one, clock.now + 5) for one in prints] == [[10], [10]]
