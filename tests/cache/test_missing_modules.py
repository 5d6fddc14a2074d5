"""The bounded list of missing modules, on a real cache Redis."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import (
    MOST_TALLIED,
    MissingModule,
    MissingModules,
    MissingTally,
)
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import FakeClock


def ids_of(missing: MissingModules, limit: int = 10) -> list[ModuleId]:
    return [module.asked.module_id for module in missing.list(limit)[0]]


def test_counts_and_times_of_each_module_are_kept(
    keyed_cache: KeyedCache, fake_clock: FakeClock, xul: ModuleId, libc: ModuleId
) -> None:
    missing = MissingModules(keyed_cache, wall_clock=fake_clock)
    missing.record({AskedModule(xul): 1, AskedModule(libc): 2})
    fake_clock.now += 0.25
    missing.record({AskedModule(libc): 3})
    assert missing.list(10) == (
        [
            MissingModule(AskedModule(libc), 5, 1000.0, 1000.25),
            MissingModule(AskedModule(xul), 1, 1000.0, 1000.0),
        ],
        2,
    )


def test_the_most_requested_come_first_and_among_equals_the_latest(
    keyed_cache: KeyedCache, fake_clock: FakeClock
) -> None:
    missing = MissingModules(keyed_cache, wall_clock=fake_clock)
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(4)]
    for module_id, count in zip(ids, (2, 7, 2, 1), strict=True):
        missing.record({AskedModule(module_id): count})
        fake_clock.now += 1
    assert ids_of(missing) == [ids[1], ids[2], ids[0], ids[3]]


def test_code_file_and_code_id_from_callers_are_kept(
    keyed_cache: KeyedCache, xul: ModuleId, libc: ModuleId
) -> None:
    missing = MissingModules(keyed_cache)
    told = AskedModule(xul, "xul.dll", "5F0A1B2C1000")
    missing.record({told: 1, AskedModule(libc): 1})
    missing.record({AskedModule(xul): 3, told: 1})
    assert [found.asked for found in missing.list(1)[0]] == [told]
    assert missing.list(1)[0][0].count == 5


def test_the_list_is_as_long_as_requested(
    keyed_cache: KeyedCache, fake_clock: FakeClock, xul: ModuleId, libc: ModuleId
) -> None:
    missing = MissingModules(keyed_cache, wall_clock=fake_clock)
    missing.record({AskedModule(xul): 1})
    fake_clock.now += 1
    missing.record({AskedModule(libc): 1})
    assert ids_of(missing, 1) == [libc]
    assert missing.list(0) == ([], 2)


def test_the_least_recently_requested_are_dropped_first(
    keyed_cache: KeyedCache, redis_cache: redis.Redis, fake_clock: FakeClock
) -> None:
    missing = MissingModules(keyed_cache, most_modules=3, wall_clock=fake_clock)
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(6)]
    for module_id in ids:
        fake_clock.now += 1
        missing.record({AskedModule(module_id): 1})
    assert ids_of(missing) == [ids[5], ids[4], ids[3]]
    assert redis_cache.hlen("missing:seen") == 3


def test_recording_more_modules_than_the_list_holds_leaves_it_bounded(
    keyed_cache: KeyedCache,
) -> None:
    missing = MissingModules(keyed_cache, most_modules=3)
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(50)]
    missing.record(dict.fromkeys(map(AskedModule, ids), 1))
    assert len(ids_of(missing, 100)) == 3


@pytest.mark.promise(
    "Nothing in the cache grows with the number of modules ever requested", group="limits"
)
def test_many_modules_are_recorded_in_steps_that_hold_the_cache_up_for_moments(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    ids = [ModuleId.parse("m" * 255, f"{number:032X}0") for number in range(2_000)]
    told = {AskedModule(one, "f" * 255, "A" * 255): 1 for one in ids}
    missing = MissingModules(keyed_cache)
    missing.record(told)
    redis_cache.config_resetstat()
    missing.record(told)
    assert redis_cache.info("commandstats")["cmdstat_eval"]["calls"] == 20
    assert sum(module.count for module in missing.list(10_000)[0]) == 2 * 2_000


def test_a_list_that_others_made_long_gets_shorter_with_each_step(
    keyed_cache: KeyedCache, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    redis_cache.zadd("missing:last_seen", {f"foreign {number}": number for number in range(100)})
    missing = MissingModules(keyed_cache, most_modules=3)
    missing.record({AskedModule(xul): 1})
    assert redis_cache.zcard("missing:last_seen") == 100 + 1 - 2


def test_an_interrupted_drop_leaves_no_partial_module(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    missing = MissingModules(keyed_cache, most_modules=3)
    ids = [ModuleId.parse("m.so", f"{number:032X}0") for number in range(300)]
    with ThreadPoolExecutor(2) as threads:
        recording = [threads.submit(missing.record, {AskedModule(one): 1}) for one in ids]
        while not all(future.done() for future in recording):
            with redis_cache.pipeline() as pipeline:
                pipeline.zrange("missing:last_seen", 0, -1)
                for key in redis_cache.keys("missing:*"):
                    if key != b"missing:last_seen":
                        pipeline.hkeys(key)
                listed, *told = map(set, pipeline.execute())
            assert all(names == listed for names in told)


def test_foreign_entries_of_the_list_are_ignored(
    keyed_cache: KeyedCache, redis_cache: redis.Redis, xul: ModuleId, libc: ModuleId
) -> None:
    missing = MissingModules(keyed_cache)
    missing.record({AskedModule(xul): 1})
    deep = "[" * 100_000
    for number, value in enumerate(
        ("", "7", "{}", deep, '["a", 1, "", ""]', '[1, 1e400, "", ""]', '[1, 1, "\\ud800", ""]')
    ):
        name = f"{number}.so/{number:032X}0"
        redis_cache.zadd("missing:last_seen", {name: 1.0})
        redis_cache.hset("missing:seen", name, value)
    redis_cache.zadd("missing:last_seen", {str(libc).encode(): math.inf, b"\xff": 1.0})
    redis_cache.hset("missing:seen", str(libc), deep)
    assert ids_of(missing) == [xul]
    missing.record({AskedModule(libc): 2})
    assert ids_of(missing) == [libc, xul]


def test_a_module_that_is_no_longer_missing_is_forgotten(
    keyed_cache: KeyedCache, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    missing = MissingModules(keyed_cache)
    missing.record({AskedModule(xul): 1})
    missing.forget([xul])
    assert missing.list(10) == ([], 0)
    assert redis_cache.keys() == []


def test_recording_nothing_writes_nothing(
    keyed_cache: KeyedCache, redis_cache: redis.Redis
) -> None:
    missing = MissingModules(keyed_cache)
    missing.record({})
    missing.forget([])
    assert redis_cache.keys() == []
    assert missing.list(10) == ([], 0)


@pytest.fixture
def missing(keyed_cache: KeyedCache) -> MissingModules:
    return MissingModules(keyed_cache)


def counts_of(missing: MissingModules) -> dict[ModuleId, int]:
    return {module.asked.module_id: module.count for module in missing.list(10_000)[0]}


def transactions(client: redis.Redis) -> int:
    """Return how many transactions the server received."""
    return int(client.info("commandstats").get("cmdstat_exec", {}).get("calls", 0))


def test_counts_are_added_up_and_written_once_a_second(
    missing: MissingModules, fake_clock: FakeClock, xul: ModuleId, libc: ModuleId
) -> None:
    tally = MissingTally(missing, flush_seconds=1.0, clock=fake_clock)
    tally.note([AskedModule(xul)])
    assert counts_of(missing) == {xul: 1}
    for _ in range(5):
        tally.note([AskedModule(xul), AskedModule(libc)])
    fake_clock.now += 0.99
    tally.note([AskedModule(libc)])
    assert counts_of(missing) == {xul: 1}
    fake_clock.now += 0.01
    tally.note([AskedModule(libc)])
    assert counts_of(missing) == {xul: 6, libc: 7}


def test_a_flush_writes_the_remaining_counts_in_one_transaction(
    missing: MissingModules, fake_clock: FakeClock, redis_cache: redis.Redis, xul: ModuleId
) -> None:
    tally = MissingTally(missing, clock=fake_clock)
    tally.note([])
    before = transactions(redis_cache)
    tally.note([AskedModule(xul)])
    tally.note([AskedModule(xul)])
    tally.flush()
    tally.flush()
    assert counts_of(missing) == {xul: 2}
    assert transactions(redis_cache) - before == 1 + 1  # and one for listing them


def test_if_the_cache_is_down_only_the_counts_are_lost(
    unused_port: int, fake_clock: FakeClock, xul: ModuleId
) -> None:
    with connect(f"redis://127.0.0.1:{unused_port}/0") as client:
        tally = MissingTally(MissingModules(KeyedCache(client)), clock=fake_clock)
        tally.note([AskedModule(xul)])
        fake_clock.now += 1.0
        tally.note([AskedModule(xul)])
        tally.flush()


def test_the_number_of_modules_in_one_write_is_bounded(
    missing: MissingModules, fake_clock: FakeClock
) -> None:
    ids = [ModuleId.parse(f"{number}.so", f"{number:032X}0") for number in range(MOST_TALLIED + 9)]
    asked = [AskedModule(module_id) for module_id in ids]
    tally = MissingTally(missing, clock=fake_clock)
    tally.note([])
    tally.note(asked)
    tally.note(asked)
    tally.flush()
    assert counts_of(missing) == dict.fromkeys(ids[:MOST_TALLIED], 2)


def test_no_request_from_concurrent_threads_is_lost(missing: MissingModules, xul: ModuleId) -> None:
    tally = MissingTally(missing, flush_seconds=0.001)
    begin = threading.Barrier(8)

    def note_many(_: int) -> None:
        begin.wait(60)
        for _ in range(200):
            tally.note([AskedModule(xul)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note_many, range(8)))
    tally.flush()
    assert counts_of(missing) == {xul: 1600}
