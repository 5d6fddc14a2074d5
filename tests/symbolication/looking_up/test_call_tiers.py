"""How long one call keeps querying a store that does not answer."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import redis

from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbolication.looking_up.tiers import CallTiers, Tiers
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey


class Clock:
    """The store's clock: each time it is read, the pause after a failure is over."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 10.0
        return self._now


@pytest.fixture
def frozen_store() -> Iterator[RedisPageStore]:
    """A store that hangs, and that each request would try again."""
    with EmbeddedRedis.start("store.conf") as server, connect(server.url) as client:
        client.ping()
        os.kill(server.process_id, signal.SIGSTOP)
        yield RedisPageStore(client, clock=Clock())
        os.kill(server.process_id, signal.SIGCONT)


@pytest.fixture
def tiers(frozen_store: RedisPageStore, redis_cache: redis.Redis) -> Tiers:
    failures = FailureMemory(KeyedCache(redis_cache))
    return Tiers(frozen_store, None, failures, ModuleLoader(redis_cache))


@pytest.mark.promise("Redis servers that hang cost a call one second at most")
def test_a_call_waits_for_a_store_that_hangs_once_only(tiers: Tiers, module_id: ModuleId) -> None:
    key = PageKey(module_id, "1-a", 0)
    diagnostics = Diagnostics()
    asked = CallTiers(tiers, diagnostics)
    start = time.monotonic()
    assert asked.get_directories([module_id]) == [None]
    for _ in range(3):
        assert asked.get_pages([key]) == [None]
        asked.put_into_store(key, b"page")
    assert time.monotonic() - start < 1.0
    assert not asked.is_answering()
    assert diagnostics.tiers[TierName.STORE].lookups == 1


def test_the_next_call_queries_the_store_again(tiers: Tiers, module_id: ModuleId) -> None:
    for _ in range(2):
        diagnostics = Diagnostics()
        CallTiers(tiers, diagnostics).get_directories([module_id])
        assert diagnostics.tiers[TierName.STORE].seconds > 0.25
