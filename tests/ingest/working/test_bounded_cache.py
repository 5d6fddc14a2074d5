"""What modules that no supplier has leave in the cache."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import redis

from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import ModuleMemory, RememberedAttempt
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import BELL_KEY, TURNS_KEY
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.job_runner import JobRunner, WorkerOptions
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.redis_servers.keys import suppliers_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

MODULES = 1_000
LIFETIME_SECONDS = 2.0
FOR_ALL = {
    b"invalidated",
    b"invalidated:epoch",
    BELL_KEY.encode(),
    TURNS_KEY.encode(),
    b"missing:last_seen",
    b"missing:seen",
}
"""The keys whose number does not depend on the number of requested modules."""

ATTEMPT = RememberedAttempt(
    "symbols.example.com/public", "missing", "HTTP 404", 0.25, 0, "a.pdb/0/a.sym"
)
MISSING = IngestResult(IngestOutcome.MISSING, "no supplier has it", attempts=(ATTEMPT,))


class Site:
    """A worker and a server, as far as they deal with missing modules."""

    def __init__(self, cache: redis.Redis, store: redis.Redis) -> None:
        lifetimes = FailureLifetimes(missing=LIFETIME_SECONDS)
        self.memory = ModuleMemory.of(KeyedCache(cache), lifetimes)
        self._queue = IngestQueue(cache)
        self._desk = ClaimDesk(cache, lease_seconds=60)
        ingest = Ingest(SupplierChain([]), RedisPageStore(store), None)
        insertion = InsertionMemory(KeyedCache(cache))
        self._runner = JobRunner(self._desk, ingest, self.memory, insertion, WorkerOptions())

    def ask_for(self, module_ids: Sequence[ModuleId], result: IngestResult = MISSING) -> None:
        """Request modules that no supplier has, a hundred at a time."""
        for at in range(0, len(module_ids), 100):
            some = module_ids[at : at + 100]
            self._queue.enqueue({module_id: [16] for module_id in some}, Band.AWAITED)
            self.memory.missing.record(dict.fromkeys(map(AskedModule, some), 1))
            for _ in some:
                claim = self._desk.claim()
                assert isinstance(claim, Claim)
                self._runner.record(claim, result, 0.5)


@pytest.mark.promise("Nothing in the cache grows with the number of modules ever requested")
def test_missing_modules_leave_only_their_bounded_list(
    redis_cache: redis.Redis, redis_store: redis.Redis, clear_redis_cache: None
) -> None:
    del clear_redis_cache
    site = Site(redis_cache, redis_store)
    ids = [ModuleId.parse(f"library{i}.so", f"{i * 7919:032X}0") for i in range(2 * MODULES)]
    site.ask_for(ids[:MODULES])  # what Redis allocates once
    before = used_memory_when_all_has_expired(redis_cache)
    site.ask_for(ids[MODULES:])
    assert 0 < redis_cache.pttl(suppliers_key(ids[-1])) <= LIFETIME_SECONDS * 1000
    growth = used_memory_when_all_has_expired(redis_cache) - before
    assert growth / MODULES * 50_000 < 20e6
    assert site.memory.missing.list(0)[1] == 2 * MODULES


def test_answers_of_suppliers_that_failed_are_kept_until_somebody_can_read_them(
    redis_cache: redis.Redis, redis_store: redis.Redis, clear_redis_cache: None
) -> None:
    del clear_redis_cache
    site = Site(redis_cache, redis_store)
    module_id = ModuleId.parse("library.so", f"{7919:032X}0")
    site.ask_for([module_id], replace(MISSING, outcome=IngestOutcome.UNAVAILABLE))
    failure = site.memory.failures.get_many([module_id])[module_id]
    assert failure.retry_after_seconds <= 5.0
    assert redis_cache.pttl(suppliers_key(module_id)) > 50_000


def used_memory_when_all_has_expired(client: redis.Redis) -> int:
    while set(client.keys()) - FOR_ALL:
        client.wait(1, 50)  # for a replica that is not there
    return int(client.info("memory")["used_memory"])
