"""Keys of the queue that another program wrote: they are deleted, logged once, and stop nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import LINE_KEY, RUNNING_KEY
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.keys import INVALIDATED_KEY
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer, symbol_server
from tests.ingest.plant import Plant, plant
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import WorkerStarter

__all__ = ["plant", "symbol_server"]


@pytest.fixture
def starter(
    symbol_server: SymbolServer, redis_store_url: str, redis_cache_url: str, tmp_path: Path
) -> WorkerStarter:
    return WorkerStarter(redis_cache_url, redis_store_url, symbol_server.url, tmp_path / "workers")


@pytest.fixture
def own_cache() -> Iterator[EmbeddedRedis]:
    """A separate cache, to whose log only this test writes."""
    with EmbeddedRedis.start("cache.conf") as server:
        yield server


@pytest.mark.promise(
    "Foreign values in the keys of the queue stop no worker, and are removed", group="ingests"
)
@pytest.mark.parametrize("key", [LINE_KEY, RUNNING_KEY])
def test_a_key_of_another_type_is_logged_by_redis_in_one_line(
    own_cache: EmbeddedRedis, xul: ModuleId, key: str
) -> None:
    log = Path(own_cache.url.removeprefix("unix://")).with_name("log")
    with connect(own_cache.url) as client:
        queue, desk = IngestQueue(client), ClaimDesk(client, lease_seconds=60)
        client.rpush(key, "of somebody else")
        for _ in range(3):
            queue.enqueue({xul: ()}, Band.AWAITED)
            found = desk.claim()
            assert isinstance(found, Claim)
            assert desk.end(found)
    [line] = [line for line in log.read_text().splitlines() if "symbolon: " in line]
    assert line.endswith(f"symbolon: deleted {key}: a list, not a zset")


@pytest.mark.parametrize("score", ["-inf", "inf", "-7.5", "1e300"])
def test_a_foreign_number_of_an_invalidation_does_not_keep_a_module_from_being_claimed(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, score: str
) -> None:
    redis_cache.zadd(INVALIDATED_KEY, {str(xul): float(score)})
    queue.enqueue({xul: ()}, Band.AWAITED)
    found = desk.claim()
    assert isinstance(found, Claim)
    assert found.freshness.stale_before == 0
    assert desk.end(found)


@pytest.mark.promise("Foreign values in the keys of the queue stop no worker, and are removed")
def test_a_worker_continues_after_the_line_was_overwritten(plant: Plant, xul: ModuleId) -> None:
    plant.server.put(xul, symbol_file(xul))
    with plant.workers.run() as worker:
        worker.wait_until_ready()
        plant.cache.set(LINE_KEY, "of somebody else")
        assert plant.load(xul) == {xul}
        assert plant.is_stored(xul)
        assert worker.stop() == 0
