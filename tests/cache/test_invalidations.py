"""The numbered invalidations, on a real cache Redis, and what a process makes of them."""

import time

import pytest
import redis

from symbolon_server.cache.invalidations import (
    CHANNEL,
    InvalidationLog,
    KnownInvalidations,
    News,
)
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.symbols.module_ids import ModuleId

MODULES = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(6)]


@pytest.fixture
def log(keyed_cache: KeyedCache) -> InvalidationLog:
    return InvalidationLog(keyed_cache, most_modules=4)


def test_what_was_invalidated_after_a_number_is_told(log: InvalidationLog) -> None:
    first = log.add(MODULES[:2])
    second = log.add(MODULES[1:3])
    assert second > first > 0
    assert log.read_since(0).numbers == {MODULES[0]: first, MODULES[1]: second, MODULES[2]: second}
    assert log.read_since(first).numbers == {MODULES[1]: second, MODULES[2]: second}
    assert log.read_since(second) == News({}, is_whole=True)


def test_numbers_grow_when_the_time_of_redis_is_behind_them(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    first = log.add(MODULES[:1])
    ahead = first + 10**12  # eleven days
    redis_cache.zadd("invalidated", {str(MODULES[0]): ahead})
    assert log.add(MODULES[:1]) == ahead + 1


def test_numbers_grow_when_redis_has_forgotten_everything(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    first = log.add(MODULES[:1])
    redis_cache.flushall()
    assert log.add(MODULES[:1]) > first


def test_the_oldest_are_forgotten_and_the_news_say_that_they_may_be_missing(
    log: InvalidationLog,
) -> None:
    numbers = [log.add([module_id]) for module_id in MODULES]
    news = log.read_since(0)
    assert news.numbers == dict(zip(MODULES[2:], numbers[2:], strict=True))
    assert not news.is_whole
    assert log.read_since(numbers[3]).is_whole


def test_what_names_no_module_is_left_out(log: InvalidationLog, redis_cache: redis.Redis) -> None:
    number = log.add(MODULES[:1])
    redis_cache.zadd("invalidated", {b"not a module": number + 1, b"\xff/00": number + 2})
    assert log.read_since(0) == News({MODULES[0]: number}, is_whole=True)


def test_who_listens_is_told_that_there_is_something(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    with redis_cache.pubsub() as pubsub:  # type: ignore[no-untyped-call] # redis-py
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=30)["type"] == "subscribe"
        number = log.add(MODULES[:1])
        assert pubsub.get_message(timeout=30)["data"] == b"%d" % number


def test_what_was_made_before_an_invalidation_is_stale_and_what_came_after_is_not() -> None:
    known = KnownInvalidations()
    assert not known.may_be_stale(MODULES[0])
    known.learn(News({MODULES[0]: 10}, is_whole=True))
    assert known.last == 10
    assert [known.is_stale(MODULES[0], as_of) for as_of in (0, 9, 10, 11)] == [
        True,
        True,
        False,
        False,
    ]
    assert not known.is_stale(MODULES[1], 0)


def test_news_that_come_late_take_nothing_back() -> None:
    known = KnownInvalidations()
    known.learn(News({MODULES[0]: 12}, is_whole=True))
    known.learn(News({MODULES[0]: 10, MODULES[1]: 10}, is_whole=True))
    assert known.last == 12
    assert known.is_stale(MODULES[0], 11)
    assert known.is_stale(MODULES[1], 9)


def test_of_modules_that_are_not_remembered_what_is_older_than_all_that_are_is_stale() -> None:
    known = KnownInvalidations()
    known.learn(News({MODULES[0]: 10, MODULES[1]: 12}, is_whole=False))
    assert known.is_stale(MODULES[5], 9)
    assert not known.is_stale(MODULES[5], 10)
    assert known.is_stale(MODULES[1], 11)


def test_a_process_remembers_as_many_modules_as_the_log_and_forgets_none_for_nothing() -> None:
    known = KnownInvalidations(most_modules=2)
    for number, module_id in enumerate(MODULES[:4], start=1):
        known.learn(News({module_id: number}, is_whole=True))
    # The first two are forgotten: whatever is as old as they are counts as stale.
    assert [known.is_stale(module_id, 2) for module_id in MODULES[:4]] == [True] * 4
    assert [known.is_stale(module_id, 3) for module_id in MODULES[:4]] == [False] * 3 + [True]


def test_ten_thousand_invalidations_are_read_and_learnt_in_a_moment(
    keyed_cache: KeyedCache,
) -> None:
    log, known = InvalidationLog(keyed_cache), KnownInvalidations()
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(10_000)]
    last = log.add(ids)
    start = time.monotonic()
    known.learn(log.read_since(0))
    assert time.monotonic() - start < 5.0
    assert known.last == last
    assert all(known.is_stale(module_id, 0) for module_id in ids)
