from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.symbols.ground.module_ids import ModuleId

LONG = 60.0
"""Seconds; no test waits that long if it passes."""


@pytest.fixture
def loader(redis_cache: redis.Redis, queue: IngestQueue) -> Iterator[ModuleLoader]:
    del queue  # emptied the cache
    loader = ModuleLoader(redis_cache)
    loader.start()
    yield loader
    loader.close()


def test_waits_end_when_the_server_stops(loader: ModuleLoader, xul: ModuleId) -> None:
    with loader.load({xul: [1]}) as pending, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pending.wait, LONG)
        loader.stop_waiting()
        waiting.result(LONG / 2)
        assert pending.ended == frozenset()


def test_after_the_stop_modules_are_queued_without_a_wait(
    loader: ModuleLoader, queue: IngestQueue, xul: ModuleId
) -> None:
    loader.stop_waiting()
    with loader.load({xul: [1]}) as pending:
        pending.wait(LONG)
        assert pending.ended == frozenset()
    assert queue.length() == 1
