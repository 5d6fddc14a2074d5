"""Everything that the workers of a test need, without the workers."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from symbolon_server.cache.failures import Failure, FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import Ending, SymbolServer
from tests.ingest.working.workers import WAIT_SECONDS, WorkerStarter

STALLED = Ending.STALLED_MIDWAY


@dataclass(frozen=True, slots=True)
class Plant:
    """Everything that the workers of a test need."""

    server: SymbolServer
    cache: redis.Redis
    store: RedisPageStore
    queue: IngestQueue
    loader: ModuleLoader
    failures: FailureMemory
    workers: WorkerStarter

    def load(self, *module_ids: ModuleId) -> frozenset[ModuleId]:
        """Request modules, wait for them and return those that ended."""
        with self.loader.load(dict.fromkeys(module_ids, (0,))) as pending:
            pending.wait(WAIT_SECONDS)
            return pending.ended

    def is_stored(self, module_id: ModuleId) -> bool:
        return self.store.get_directories([module_id])[0] is not None

    def failure(self, module_id: ModuleId) -> Failure:
        return self.failures.get_many([module_id])[module_id]


@pytest.fixture
def plant(
    symbol_server: SymbolServer,
    redis_store: redis.Redis,
    redis_cache: redis.Redis,
    starter: WorkerStarter,
) -> Iterator[Plant]:
    """Empty at first; needs a `starter` and its `symbol_server`."""
    symbol_server.reset()
    redis_store.flushall()
    redis_cache.flushall()
    loader = ModuleLoader(redis_cache)
    loader.start()
    yield Plant(
        symbol_server,
        redis_cache,
        RedisPageStore(redis_store),
        IngestQueue(redis_cache),
        loader,
        FailureMemory(KeyedCache(redis_cache)),
        starter,
    )
    loader.close()
