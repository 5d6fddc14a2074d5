"""The ages that pages are put with."""

import math

import numpy as np
import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.insertion.ages import (
    ALL_NEW,
    InsertionTerms,
    PageFunctions,
    insertion_ages,
    plain_ages,
)
from symbolon_server.insertion.function_uses import fingerprints_of
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.symbols.ground.module_ids import ModuleId

MODULE_ID = ModuleId("xul.so", "1" * 33)


def no_functions() -> PageFunctions:
    raise AssertionError("not needed")


def test_a_store_that_does_not_evict_gets_all_pages_as_new() -> None:
    assert insertion_ages(ALL_NEW, 3, no_functions).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("scale", "age"), [(1.0, 1800), (3.0, 2700), (8.0, 3200), (10.0, math.inf)]
)
def test_pages_of_which_nothing_is_known_are_the_oldest(scale: float, age: float) -> None:
    terms = InsertionTerms(eviction_age=3600.0, scale=scale)
    assert insertion_ages(terms, 2, no_functions).tolist() == [age, age]


def test_a_page_is_as_old_as_its_hottest_function_is_rare(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    uses = [(1000.0, b"hot"), (1060.0, b"hot"), (1120.0, b"hot"), (2000.0, b"cool")]
    uses += [(5600.0, b"cool"), (5600.0, b"hot"), (5660.0, b"hot")]
    now = uses[-1][0]
    times = iter([time for time, _ in uses] + [now])
    memory = InsertionMemory(KeyedCache(redis_cache), lambda: next(times))
    for _, function in uses:
        memory.tell_uses("xul.so", 10, [function])
    table = memory.terms(MODULE_ID).uses
    terms = InsertionTerms(eviction_age=3600.0, scale=2.0, uses=table, now=now)
    functions = PageFunctions(
        np.array([0, 0, 1, 2]), fingerprints_of([b"cool", b"hot", b"cool", b"never asked for"])
    )
    ages = insertion_ages(terms, 4, lambda: functions)
    hot_interval = 0.7 * (0.7 * 60 + 0.3 * 4480) + 0.3 * 60
    assert ages == pytest.approx([2 * hot_interval / 30, 2 * 3600 / 30, 2400, 2400], rel=0.01)
    evicted = InsertionTerms(3600.0, 2.0, was_ingested=True, uses=table, now=now)
    assert insertion_ages(evicted, 4, no_functions).tolist() == [2400] * 4


def test_a_store_without_ages_gets_the_younger_pages() -> None:
    terms = InsertionTerms(eviction_age=100.0)
    ages = np.array([0.0, 49.0, 50.0, 89.0, math.inf])
    assert plain_ages(terms, ages).tolist() == [0, 0, math.inf, math.inf, math.inf]
    assert plain_ages(ALL_NEW, np.zeros(2)).tolist() == [0, 0]
