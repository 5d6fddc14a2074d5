"""When counts of missing modules are written to the cache, and when they are lost."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MOST_TALLIED, MissingModules, MissingTally
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import FakeClock


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
