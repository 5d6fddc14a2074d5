"""What one call asks its tiers for, and how long it keeps querying a store that does not answer."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
import redis

from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import Timeouts, connect
from symbolon_server.store.cluster_store import ClusterPageStore
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbolication.looking_up.tiers import CallTiers, Tiers
from symbolon_server.symbolication.memory.queries import Diagnostics, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging import layout
from symbolon_server.symbols.paging.envelope import seal
from tests.fixtures.clusters import running_cluster
from tests.fixtures.memory_store import MemoryPageStore


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


def test_a_call_goes_on_asking_the_other_nodes_of_a_cluster(
    redis_cache: redis.Redis, module_id: ModuleId
) -> None:
    pages = pages_of(module_id, 60)
    with running_cluster() as cluster, cluster.connect(Timeouts(2.0, 2.0)) as client:
        store = ClusterPageStore(client)
        store.put_pages(pages)
        cluster.freeze(1)
        tiers = Tiers(
            store, None, FailureMemory(KeyedCache(redis_cache)), ModuleLoader(redis_cache)
        )
        asked = CallTiers(tiers, Diagnostics())
        start = time.monotonic()
        first = asked.get_pages(list(pages))
        there = [key for key, page in zip(pages, first, strict=True) if page is not None]
        assert 20 < len(there) < 60
        assert not asked.is_answering()
        assert asked.get_pages(list(pages)) == first
        assert asked.get_pages(there) == [pages[key] for key in there]
        assert asked.is_answering()
        assert time.monotonic() - start < 4.0


class WatchedStore(MemoryPageStore):
    """A memory store that records requests for pages."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.asked: list[Sequence[PageKey]] = []
        self.put: list[Mapping[PageKey, bytes]] = []

    def get_pages(self, keys: Sequence[PageKey]) -> list[bytes | None]:
        self.asked.append(list(keys))
        return super().get_pages(keys)

    def put_pages(self, pages: Mapping[PageKey, bytes]) -> None:
        self.put.append(pages)
        super().put_pages(pages)


@pytest.fixture
def stores() -> tuple[WatchedStore, WatchedStore]:
    """A store and a spool."""
    return WatchedStore(), WatchedStore()


@pytest.fixture
def watched(stores: tuple[WatchedStore, WatchedStore], redis_cache: redis.Redis) -> CallTiers:
    failures = FailureMemory(KeyedCache(redis_cache))
    return CallTiers(Tiers(*stores, failures, ModuleLoader(redis_cache)), Diagnostics())


def pages_of(module_id: ModuleId, count: int) -> dict[PageKey, bytes]:
    keys = [PageKey(module_id, "1-a", number) for number in range(count)]
    return {key: seal(layout.MARK, key.owner, b"page") for key in keys}


def test_the_spool_is_queried_only_for_what_the_store_misses(
    watched: CallTiers, stores: tuple[WatchedStore, WatchedStore], module_id: ModuleId
) -> None:
    pages = pages_of(module_id, 3)
    keys = list(pages)
    stores[0].put_pages({keys[0]: pages[keys[0]]})
    stores[1].put_pages({keys[1]: pages[keys[1]]})
    assert watched.get_pages(keys) == [pages[keys[0]], pages[keys[1]], None]
    assert [store.asked for store in stores] == [[keys], [keys[1:]]]


def test_the_spool_is_not_queried_if_nothing_is_missing(
    watched: CallTiers, stores: tuple[WatchedStore, WatchedStore], module_id: ModuleId
) -> None:
    pages = pages_of(module_id, 1)
    stores[0].put_pages(pages)
    assert watched.get_pages([*pages, *pages]) == [*pages.values()] * 2
    assert [store.asked for store in stores] == [[list(pages)], []]


def test_what_the_spool_has_is_put_into_the_store_at_once(
    watched: CallTiers, stores: tuple[WatchedStore, WatchedStore], module_id: ModuleId
) -> None:
    pages = pages_of(module_id, 2)
    stores[1].put_pages(pages)
    assert watched.get_pages(list(pages)) == list(pages.values())
    assert stores[0].put == [pages]
