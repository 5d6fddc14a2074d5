"""Keys that an earlier version left in the cache expire within a week."""

import pytest
import redis

from symbolon_server.ingest.queueing.claims import expire_earlier_queue
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import KEPT_SECONDS, PREFIX
from symbolon_server.symbols.ground.module_ids import ModuleId


@pytest.mark.promise("Two versions share both Redis servers; a downgrade finds its queue")
def test_keys_of_an_earlier_version_expire_within_a_week(
    redis_cache: redis.Redis, queue: IngestQueue
) -> None:
    del queue  # emptied the cache
    redis_cache.rpush("rq:queue:prefetch", "a_2Eso_2F0")
    redis_cache.hset("rq:job:a_2Eso_2F0", "status", "queued")
    redis_cache.sadd("ingest:wanted:a_2Eso_2F0", 1)
    redis_cache.set("outcome:a.so/0", "{}")
    expire_earlier_queue(redis_cache)
    for key in ("rq:queue:prefetch", "rq:job:a_2Eso_2F0", "ingest:wanted:a_2Eso_2F0"):
        assert KEPT_SECONDS - 60 < redis_cache.ttl(key) <= KEPT_SECONDS
    assert redis_cache.ttl("outcome:a.so/0") == -1


@pytest.mark.promise("Two versions share both Redis servers; a downgrade finds its queue")
def test_all_keys_of_this_version_expire_when_they_are_unused(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    keys = redis_cache.keys("*")
    assert len(keys) == 6
    for key in keys:
        assert key.startswith(PREFIX.encode())  # type: ignore[arg-type] # redis-py
        assert 0 < redis_cache.ttl(key) <= KEPT_SECONDS
