"""The log of invalidations, on a real cache Redis, and what a process knows of it."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from symbolon_server.cache.invalidations import (
    CHANNEL,
    InvalidationLog,
    KnownInvalidations,
    News,
)
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import StartRedis

MODULES = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(6)]


@pytest.fixture
def log(keyed_cache: KeyedCache) -> InvalidationLog:
    return InvalidationLog(keyed_cache, most_modules=4)


def add(log: InvalidationLog, module_ids: Sequence[ModuleId]) -> int:
    """Add modules to the current log."""
    return log.add(module_ids, log.read_since(0, "").epoch)


def numbers_since(log: InvalidationLog, number: int) -> dict[ModuleId, int]:
    """Return the news for a server that knows the current log."""
    return log.read_since(number, log.read_since(0, "").epoch).numbers


def test_invalidations_after_a_number_are_read(log: InvalidationLog) -> None:
    first = add(log, MODULES[:2])
    second = add(log, MODULES[1:3])
    assert second > first > 0
    assert numbers_since(log, 0) == {MODULES[0]: first, MODULES[1]: second, MODULES[2]: second}
    assert numbers_since(log, first) == {MODULES[1]: second, MODULES[2]: second}
    assert numbers_since(log, second) == {}


def test_a_log_that_lost_its_last_numbers_is_read_as_a_whole(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    first = add(log, MODULES[:1])
    second = add(log, MODULES[1:2])
    epoch = log.read_since(0, "").epoch
    redis_cache.zrem("invalidated", str(MODULES[1]))
    news = log.read_since(second, epoch)
    assert (news.is_other_log, news.numbers, news.last) == (True, {MODULES[0]: first}, first)


def emptied(cache: redis.Redis) -> None:
    cache.flushall()


def deleted(cache: redis.Redis) -> None:
    cache.delete("invalidated")


@pytest.mark.parametrize("lose", [emptied, deleted])
def test_a_log_that_was_lost_has_another_epoch_and_larger_numbers(
    log: InvalidationLog, redis_cache: redis.Redis, lose: Callable[[redis.Redis], None]
) -> None:
    first = add(log, MODULES[:1])
    epoch = log.read_since(0, "").epoch
    lose(redis_cache)
    assert log.add(MODULES[:1], epoch) == 0
    news = log.read_since(first, epoch)
    assert news.is_other_log
    assert news.epoch != epoch
    assert log.add(MODULES[:1], news.epoch) > news.last > first


def test_a_restart_of_the_cache_is_another_epoch(start_redis: StartRedis, tmp_path: Path) -> None:
    epochs = set()
    for _ in range(2):
        with start_redis("cache.conf", data_folder=tmp_path) as server, connect(server.url) as own:
            epochs.add(InvalidationLog(KeyedCache(own)).read_since(0, "").epoch)
    assert len(epochs) == 2
    assert len({epoch.partition("/")[0] for epoch in epochs}) == 1


def test_restored_numbers_are_kept_and_read_by_servers_that_had_read_past_them(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    first, second = add(log, MODULES[:1]), add(log, MODULES[1:2])
    redis_cache.flushall()
    other = log.read_since(0, "")
    log.put_back({MODULES[0]: first, MODULES[1]: second}, second)
    news = log.read_since(other.last, other.epoch)
    assert news.is_other_log
    assert news.numbers == {MODULES[0]: first, MODULES[1]: second}
    log.put_back({MODULES[0]: first}, first)
    assert log.read_since(0, news.epoch).epoch == news.epoch


def test_a_full_log_that_is_put_back_is_whole_at_once(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    known = KnownInvalidations(most_modules=4)
    for module_id in MODULES:
        add(log, [module_id])
        known.learn(log.read_since(known.last, known.epoch))
    redis_cache.flushall()
    log.put_back(known.find_lost(log.read_since(known.last, known.epoch)), known.last)
    assert known.find_lost(log.read_since(known.last, known.epoch)) == {}


def test_numbers_grow_when_the_time_of_redis_is_behind_them(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    first = add(log, MODULES[:1])
    ahead = first + 10**12  # eleven days
    redis_cache.zadd("invalidated", {str(MODULES[0]): ahead})
    assert add(log, MODULES[:1]) == ahead + 1


def test_the_oldest_are_dropped_and_the_news_say_so(
    log: InvalidationLog,
) -> None:
    numbers = [add(log, [module_id]) for module_id in MODULES]
    news = log.read_since(0, "")
    assert news.numbers == dict(zip(MODULES[2:], numbers[2:], strict=True))
    assert not news.is_whole
    assert log.read_since(numbers[3], news.epoch).is_whole


@pytest.mark.parametrize("score", [math.inf, -math.inf, 1e300, -1.0])
def test_foreign_entries_are_ignored(
    log: InvalidationLog, redis_cache: redis.Redis, score: float
) -> None:
    number = add(log, MODULES[:1])
    names = [b"not a module", b"\xff/00", b"a" * 100_000, str(MODULES[1]).encode()]
    for name in names:
        redis_cache.zadd("invalidated", {name: score})
    assert add(log, MODULES[2:3]) > number
    assert numbers_since(log, number - 1).keys() == {MODULES[0], MODULES[2]}


def test_subscribers_receive_an_announcement(
    log: InvalidationLog, redis_cache: redis.Redis
) -> None:
    with redis_cache.pubsub() as pubsub:  # type: ignore[no-untyped-call] # redis-py
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=30)["type"] == "subscribe"
        number = add(log, MODULES[:1])
        assert pubsub.get_message(timeout=30)["data"] == b"%d" % number


def test_pages_from_before_an_invalidation_are_stale_and_later_ones_are_not() -> None:
    known = KnownInvalidations()
    assert not known.may_be_stale(MODULES[0])
    known.learn(News({MODULES[0]: 10}, is_whole=True, last=10))
    assert known.last == 10
    assert [known.is_stale(MODULES[0], as_of) for as_of in (0, 9, 10, 11)] == [
        True,
        True,
        False,
        False,
    ]
    assert not known.is_stale(MODULES[1], 0)


def test_late_news_revert_nothing() -> None:
    known = KnownInvalidations()
    known.learn(News({MODULES[0]: 12}, is_whole=True, last=12))
    known.learn(News({MODULES[0]: 10, MODULES[1]: 10}, is_whole=True, last=10))
    assert known.last == 12
    assert known.is_stale(MODULES[0], 11)
    assert known.is_stale(MODULES[1], 9)


def test_pages_of_a_dropped_module_are_stale_if_older_than_the_oldest_remembered_number() -> None:
    known = KnownInvalidations()
    known.learn(News({MODULES[0]: 10, MODULES[1]: 12}, is_whole=False))
    assert known.is_stale(MODULES[5], 9)
    assert not known.is_stale(MODULES[5], 10)
    assert known.is_stale(MODULES[1], 11)


def test_a_process_remembers_as_many_modules_as_the_log() -> None:
    known = KnownInvalidations(most_modules=2)
    for number, module_id in enumerate(MODULES[:4], start=1):
        known.learn(News({module_id: number}, is_whole=True))
    # The first two are dropped: anything as old as they are counts as stale.
    assert [known.is_stale(module_id, 2) for module_id in MODULES[:4]] == [True] * 4
    assert [known.is_stale(module_id, 3) for module_id in MODULES[:4]] == [False] * 3 + [True]


def test_ten_thousand_invalidations_are_read_and_learnt_quickly(
    keyed_cache: KeyedCache,
) -> None:
    log, known = InvalidationLog(keyed_cache), KnownInvalidations()
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(10_000)]
    last = add(log, ids)
    start = time.monotonic()
    known.learn(log.read_since(0, ""))
    assert time.monotonic() - start < 5.0
    assert known.last == last
    assert all(known.is_stale(module_id, 0) for module_id in ids)
