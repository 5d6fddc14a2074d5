"""What a server tells the cache of uses and misses, and when it samples the store."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.insertion.function_uses import expected_seconds, fingerprints_of
from symbolon_server.insertion.insertion_memory import InsertionMemory, samples_of
from symbolon_server.insertion.use_tally import MOST_NOTED, UsedFrames, UseTally
from symbolon_server.redis_servers.keys import ASKED_PAGES_KEY, INSERTION_KEY
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import (
    IngestFacts,
    ModuleFacts,
    PageDirectory,
    PageKey,
)
from symbolon_server.symbols.paging import api_frames
from tests.fixtures.redis_fixtures import StartRedis

XUL = ModuleId("xul.so", "1" * 33)
PAGES = 40
FIRST = [1000 * number for number in range(PAGES)]
DIRECTORY = PageDirectory(
    "1-a",
    ModuleFacts("Linux", "x86_64", "xul.so", "", 1, 0, 1, {}),
    IngestFacts("", 0.0, 0.0, 0),
    stored_bytes=0,
    first_offsets=np.array(FIRST, np.uint64),
)
SAMPLED = next(number for number in range(PAGES) if samples_of(XUL, [number]))


class Store:
    """A store whose keys are idle as long as a test says."""

    def __init__(self, idle_seconds: Sequence[float] | None) -> None:
        self._idle_seconds = idle_seconds

    def sample_idle_seconds(self) -> Sequence[float] | None:
        return self._idle_seconds


@pytest.fixture
def memory(redis_cache: redis.Redis, clear_redis_cache: None) -> InsertionMemory:
    del clear_redis_cache
    return InsertionMemory(KeyedCache(redis_cache), lambda: 1e6)


def used(function: bytes, offset: int) -> UsedFrames:
    answer = api_frames.frame(
        api_frames.module_field(b"xul" * 50),
        offset,
        0,
        api_frames.answer_fields(function, b"a.c", 7, [], is_multiple=False, function_size=16),
    )
    return UsedFrames(XUL, DIRECTORY, [offset], [answer])


def test_functions_and_pages_are_told(memory: InsertionMemory, redis_cache: redis.Redis) -> None:
    tally = UseTally(memory, Store([]))
    tally.note_frames([used(b"main", FIRST[SAMPLED] + 5), used(b"", 1)])
    tally.flush()
    prints = fingerprints_of([b"main", b"other"])
    due = expected_seconds(memory.terms(XUL).uses, prints, 1e6 + 10)
    assert due.tolist() == [20, float("inf")]
    assert redis_cache.zrange(ASKED_PAGES_KEY, 0, -1) == samples_of(XUL, [SAMPLED])


def test_uses_of_a_variant_are_not_those_of_its_module(memory: InsertionMemory) -> None:
    tally = UseTally(memory, Store([]))
    variant = XUL.with_linkage_names
    tally.note_frames([used(b"main", 5)._replace(module_id=variant)])
    tally.flush()
    assert memory.terms(variant).uses
    assert not memory.terms(XUL).uses


def test_a_page_that_is_missed_and_then_asked_for_is_missed_for_the_first_time(
    memory: InsertionMemory, redis_cache: redis.Redis
) -> None:
    memory.note_idle_seconds(1000.0)
    memory.tell_pages([], [])  # makes the first step of the scale
    tally = UseTally(memory, Store([]))
    for expected in ((0, 1), (1, 1)):
        tally.note_missed([PageKey(XUL, "1-a", SAMPLED)])
        tally.note_frames([used(b"main", FIRST[SAMPLED])])
        tally.flush()
        counts = redis_cache.hmget(INSERTION_KEY, "again", "first")
        assert tuple(float(count or 0) for count in counts) == expected


def test_a_page_dictionary_is_asked_for_with_its_pages(
    memory: InsertionMemory, redis_cache: redis.Redis
) -> None:
    """Otherwise each of its misses would count as the first."""
    with_dictionary = replace(DIRECTORY, has_dictionary=True)
    ids = (ModuleId("xul.so", f"{number:033X}") for number in range(100))
    sampled = next(module_id for module_id in ids if samples_of(module_id, [PAGES]))
    tally = UseTally(memory, Store([]))
    tally.note_frames([used(b"main", 5)._replace(module_id=sampled, directory=with_dictionary)])
    tally.flush()
    (name,) = samples_of(sampled, [PAGES])
    assert redis_cache.zscore(ASKED_PAGES_KEY, name) == 1e6


def test_the_eviction_age_is_the_fifth_oldest_of_the_sampled_keys(memory: InsertionMemory) -> None:
    UseTally(memory, Store([float(number) for number in range(100)])).flush()
    assert memory.terms(XUL).eviction_age == 95.0


@pytest.mark.parametrize(("sample", "age"), [(None, None), ([], 500.0)])
def test_a_store_that_evicts_nothing_has_no_eviction_age_one_that_does_not_answer_keeps_it(
    memory: InsertionMemory, sample: list[float] | None, age: float | None
) -> None:
    memory.note_idle_seconds(500.0)
    UseTally(memory, Store(sample)).flush()
    assert memory.terms(XUL).eviction_age == age


def test_a_user_without_the_permission_for_uses_still_samples(start_redis: StartRedis) -> None:
    server = start_redis("cache.conf")
    with connect(server.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-setrange")
        limited = InsertionMemory(KeyedCache(client))
        tally = UseTally(limited, Store([500.0]))
        tally.note_frames([used(b"main", 5)])
        tally.flush()
        assert limited.terms(XUL).eviction_age == 500.0


def test_nothing_piles_up_while_the_cache_is_down(unused_port: int) -> None:
    with connect(f"redis://127.0.0.1:{unused_port}") as client:
        tally = UseTally(InsertionMemory(KeyedCache(client)), Store(None))
        for _ in range(3):
            tally.note_frames([UsedFrames(XUL, DIRECTORY, [], [])])  # none was answered
            tally.note_frames([used(b"main", 5)] * MOST_NOTED)
            tally.note_missed([PageKey(XUL, "1-a", 0)] * MOST_NOTED)
        assert len(tally._frames) == len(tally._missed) == MOST_NOTED
        tally.flush()
        assert not tally._frames
        assert not tally._missed
