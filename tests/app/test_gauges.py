"""The gauges that are set once a second."""

from pathlib import Path

import pytest
import redis

from symbolon_server.app.wiring.services import measure_insertion, measure_queue, measure_tiers
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.keys import INSERTION_KEY
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.telemetry.metrics import REGISTRY
from tests.ingest.symbol_files import numbered_module


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_memory_use_is_reported_by_tier() -> None:
    held = ServerMemory(1 << 20)
    frames = held.frames.table("3-0")
    held.frames.put_many(frames, [(b"asked", b"answered")])
    measure_tiers(held)
    assert gauge("symbolon_tier_entries", tier="frames") == 1
    assert gauge("symbolon_tier_entries", tier="memory") == 0
    assert gauge("symbolon_tier_bytes", tier="frames") == held.counts_of_frames().stored_bytes
    most = [gauge("symbolon_tier_max_bytes", tier=tier) or 0 for tier in ("frames", "memory")]
    assert sum(most) <= 1 << 20
    assert min(most) > 0


def test_the_length_of_each_queue_is_reported_and_kept_while_the_cache_is_down(
    redis_cache: redis.Redis, clear_redis_cache: None, tmp_path: Path
) -> None:
    queue = IngestQueue(redis_cache)
    queue.enqueue({numbered_module(number): () for number in range(3)}, Band.PREFETCH)
    queue.enqueue({numbered_module(9): ()}, Band.AWAITED)
    measure_queue(queue)
    assert gauge("symbolon_queue_length", band="prefetch") == 3
    assert gauge("symbolon_queue_length", band="awaited") == 1
    with connect(f"unix://{tmp_path}/nobody") as dead:
        measure_queue(IngestQueue(dead))
    assert gauge("symbolon_queue_length", band="prefetch") == 3


def test_the_insertion_policy_is_reported(
    redis_cache: redis.Redis, clear_redis_cache: None, tmp_path: Path
) -> None:
    memory = InsertionMemory(KeyedCache(redis_cache))
    measure_insertion(memory)
    assert gauge("symbolon_eviction_age_seconds") == 0
    assert gauge("symbolon_insertion_scale") == 1
    assert gauge("symbolon_use_tables") == 0
    memory.note_idle_seconds(90.0)
    memory.tell_uses("xul.pdb", 10, [b"main", b"exit"])
    redis_cache.hset(INSERTION_KEY, "log_scale", "-0.5")
    measure_insertion(memory)
    assert gauge("symbolon_eviction_age_seconds") == 90
    assert gauge("symbolon_insertion_scale") == pytest.approx(0.6065, abs=1e-4)
    assert gauge("symbolon_use_tables") == 1
    assert (gauge("symbolon_use_table_bytes") or 0) > 0
    with connect(f"unix://{tmp_path}/nobody") as dead:
        measure_insertion(InsertionMemory(KeyedCache(dead)))
    assert gauge("symbolon_eviction_age_seconds") == 90


def test_a_scale_that_nobody_wrote_is_within_its_limits(
    redis_cache: redis.Redis, clear_redis_cache: None
) -> None:
    redis_cache.hset(INSERTION_KEY, "log_scale", "1e300")
    assert InsertionMemory(KeyedCache(redis_cache)).facts().scale == pytest.approx(13.5)
