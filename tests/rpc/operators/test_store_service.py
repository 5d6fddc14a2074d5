from pathlib import Path
from threading import Barrier

import pytest
import redis

from symbolon.v1.store_service_pb2 import (
    DESCRIPTOR,
    GetStoreInfoRequest,
    GetStoreInfoResponse,
)
from symbolon.v1.tier_pb2 import TIER_MEMORY, TIER_SPOOL
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.redis_servers.servers import connect
from symbolon_server.redis_servers.setup_checks import ServerReport, ask_server
from symbolon_server.rpc.operators.store_service import Probes, StoreService, TierProbe
from symbolon_server.store.key_counts import count_keys
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.memory_store import MemoryPageStore
from tests.rpc.drive import call

MODULE_ID = ModuleId("a.pdb", "0" * 33)
DEAD = "redis://user:hunter2@127.0.0.1:1/0"


def probes_of(
    store: redis.Redis,
    cache: redis.Redis,
    memory: MemoryPageStore | None = None,
) -> Probes:
    memory = memory or MemoryPageStore(1024**2)
    return Probes(
        ask_store=lambda: ask_server(store),
        ask_cache=lambda: ask_server(cache),
        tiers=[TierProbe(TierName.MEMORY, memory.counts)],
        count_keys=lambda: count_keys(store),
        queue=IngestQueue(cache),
        server_version="1.2.3",
    )


def get_store_info(service: StoreService) -> GetStoreInfoResponse:
    descriptor = DESCRIPTOR.services_by_name["StoreService"]
    response = call(descriptor, service, "GetStoreInfo", GetStoreInfoRequest()).response
    assert isinstance(response, GetStoreInfoResponse)
    return response


@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
def test_the_facts_of_both_servers_are_returned(
    redis_store: redis.Redis, redis_cache: redis.Redis
) -> None:
    redis_store.set("symbol:a.pdb/" + "0" * 33, b"directory")
    redis_store.set("page:a.pdb/" + "0" * 33 + ":1-0:0", b"page")
    info = get_store_info(StoreService(probes_of(redis_store, redis_cache)))
    assert info.store.is_reachable
    assert info.store.product in {"redis", "valkey"}
    assert info.store.maxmemory_policy == "allkeys-lru"
    assert info.store.maxmemory_bytes > info.store.used_memory_bytes > 0
    assert info.store.keys == 2
    assert (info.modules, info.pages, info.is_estimated) == (1, 1, False)
    assert info.cache.maxmemory_policy == "noeviction"
    told = redis_cache.info("server")["uptime_in_seconds"]
    assert told - 2 <= info.cache.uptime.seconds <= told
    assert info.server_version == "1.2.3"
    assert info.HasField("server_uptime")


def test_a_server_that_does_not_answer_fails_only_its_part(redis_cache: redis.Redis) -> None:
    info = get_store_info(StoreService(probes_of(connect(DEAD), redis_cache)))
    assert not info.store.is_reachable
    assert "127.0.0.1:1" in info.store.detail
    assert "hunter2" not in str(info)
    assert (info.modules, info.pages) == (0, 0)
    assert info.cache.is_reachable


def test_a_dead_cache_fails_only_its_part(redis_store: redis.Redis) -> None:
    info = get_store_info(StoreService(probes_of(redis_store, connect(DEAD))))
    assert info.store.is_reachable
    assert not info.cache.is_reachable
    assert info.queued_modules == 0


@pytest.mark.usefixtures("clear_redis_cache")
def test_a_tier_reports_its_size_and_hit_ratio(
    redis_store: redis.Redis, redis_cache: redis.Redis
) -> None:
    memory = MemoryPageStore(1024**2)
    memory.put_directories({MODULE_ID: b"x" * 100})
    memory.get_directories([MODULE_ID, MODULE_ID, MODULE_ID, ModuleId("b", "0" * 33)])
    info = get_store_info(StoreService(probes_of(redis_store, redis_cache, memory)))
    (tier,) = info.tiers
    assert (tier.tier, tier.entries, tier.max_bytes) == (TIER_MEMORY, 1, 1024**2)
    assert tier.bytes >= 100
    assert (tier.hits, tier.misses, tier.hit_ratio) == (3, 1, 0.75)


@pytest.mark.usefixtures("clear_redis_cache")
def test_the_spool_is_a_tier_like_the_others(
    redis_store: redis.Redis, redis_cache: redis.Redis, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, 1024**2)
    spool.get_directories([MODULE_ID])
    tiers = [TierProbe(TierName.SPOOL, spool.counts)]
    info = get_store_info(StoreService(probes_of(redis_store, redis_cache)._replace(tiers=tiers)))
    (tier,) = info.tiers
    assert (tier.tier, tier.entries, tier.bytes, tier.max_bytes) == (TIER_SPOOL, 0, 0, 1024**2)
    assert (tier.hits, tier.misses, tier.hit_ratio) == (0, 1, 0.0)


def test_misconfigured_or_unreachable_servers_cause_warnings(
    redis_store: redis.Redis, redis_cache: redis.Redis
) -> None:
    assert not get_store_info(StoreService(probes_of(redis_store, redis_cache))).warnings
    (warning,) = get_store_info(StoreService(probes_of(connect(DEAD), redis_cache))).warnings
    assert warning.startswith("The store does not answer: 127.0.0.1:1")
    assert "hunter2" not in warning


def test_both_servers_are_asked_at_the_same_time() -> None:
    both = Barrier(2, timeout=60.0)

    def ask() -> ServerReport:
        both.wait()
        return ServerReport("there", None, "met the other")

    with connect(DEAD) as dead:
        probes = probes_of(dead, dead)._replace(ask_store=ask, ask_cache=ask)
        info = get_store_info(StoreService(probes))
    assert info.store.detail == info.cache.detail == "met the other"
