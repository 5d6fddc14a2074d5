"""What forgetting a module makes servers and workers forget, and from when on."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from symbolon_server.cache.failures import FailureKind, FailureMemory
from symbolon_server.cache.invalidations import InvalidationLog
from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.cache.missing_modules import MissingModules, MissingTally
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.insertion.use_tally import UseTally
from symbolon_server.redis_servers.keys import directory_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.invalidator import Invalidator
from symbolon_server.symbolication.memory.queries import ModuleOutcome
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import Answer, Ending, SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import MEGABYTE, WAIT_SECONDS, File, Host, OpenHost

PROMISED_SECONDS = 1.0
"""How long any server may answer from what was known before."""


def better_file(module_id: ModuleId) -> bytes:
    """Return the same module with other names of functions."""
    return symbol_file(module_id).replace(b"function_", b"better_")


def function(host: Host, module_id: ModuleId) -> str:
    (name,) = host.find(module_id, 0, wait_seconds=WAIT_SECONDS).functions
    return name


def wait_until_forgotten(host: Host, module_id: ModuleId, client: redis.Redis) -> None:
    while host.held.modules.get(module_id) is not None:
        client.wait(0, 5)


def test_every_server_forgets_in_time_and_answers_from_the_better_file(
    open_host: OpenHost, file: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    hosts = [open_host(hears=True) for _ in range(3)]
    assert [function(host, file.module_id) for host in hosts] == ["function_0"] * 3
    file.supplier.put(file.module_id, better_file(file.module_id))
    hosts[0].invalidator.invalidate([file.module_id])
    start = time.monotonic()
    for host in hosts:
        wait_until_forgotten(host, file.module_id, redis_cache)
    assert time.monotonic() - start < PROMISED_SECONDS
    assert [function(host, file.module_id) for host in hosts] == ["better_0"] * 3


def test_a_server_whose_messages_are_lost_still_catches_up(
    open_host: OpenHost, file: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    near, far = open_host(), open_host(hears=True)
    assert [function(host, file.module_id) for host in (near, far)] == ["function_0"] * 2
    redis_cache.client_kill_filter(_type="pubsub")
    near.invalidator.invalidate([file.module_id])
    start = time.monotonic()
    wait_until_forgotten(far, file.module_id, redis_cache)
    assert time.monotonic() - start < 2 * PROMISED_SECONDS  # of this, a part for connecting again


def test_a_server_without_messages_learns_when_it_reads_the_log(
    open_host: OpenHost, file: File, worker: RunningWorker
) -> None:
    near, far = open_host(hears=True), open_host()
    assert [function(host, file.module_id) for host in (near, far)] == ["function_0"] * 2
    near.invalidator.invalidate([file.module_id])
    assert function(far, file.module_id) == "function_0"
    far.invalidator.catch_up()
    assert far.held.modules.get(file.module_id) is None


def test_a_spool_that_missed_invalidations_is_ignored(
    open_host: OpenHost,
    spooled: ModuleId,
    spool: Spool,
    supplier: SymbolServer,
    worker: RunningWorker,
) -> None:
    host = open_host(hears=True)
    supplier.put(spooled, better_file(spooled))
    host.invalidator.invalidate([spooled])
    returning = open_host(spool, hears=True)
    assert spool.get_directories([spooled]) == [None]
    assert function(returning, spooled) == "better_0"


def test_pages_that_a_late_server_puts_back_into_the_store_are_ignored(
    open_host: OpenHost,
    spooled: ModuleId,
    supplier: SymbolServer,
    redis_store: redis.Redis,
    worker: RunningWorker,
) -> None:
    host, other = open_host(hears=True), open_host(hears=True)
    old = redis_store.get(directory_key(spooled))
    assert isinstance(old, bytes)
    supplier.put(spooled, better_file(spooled))
    host.invalidator.invalidate([spooled])
    assert redis_store.get(directory_key(spooled)) is None
    redis_store.set(directory_key(spooled), old)
    assert [function(each, spooled) for each in (host, other)] == ["better_0"] * 2


def test_a_worker_does_not_believe_its_own_spool_either(
    open_host: OpenHost, file: File, worker: RunningWorker, worker_spool: Path
) -> None:
    host = open_host(hears=True)
    assert function(host, file.module_id) == "function_0"
    kept = Spool(worker_spool, 64 * MEGABYTE)
    assert kept.get_directories([file.module_id]) != [None]
    file.supplier.put(file.module_id, better_file(file.module_id))
    host.invalidator.invalidate([file.module_id])
    assert function(host, file.module_id) == "better_0"
    assert file.gets() == 2


def test_an_ingest_that_started_before_the_invalidation_is_ignored(
    open_host: OpenHost, supplier: SymbolServer, module_id: ModuleId, worker: RunningWorker
) -> None:
    host = open_host(hears=True)
    path = supplier.path_of(module_id)
    stalled = Answer(symbol_file(module_id), ending=Ending.STALLED_AT_ONCE)
    supplier.answer(path, stalled, Answer(better_file(module_id)))
    gets = supplier.get_count
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(function, host, module_id)
        supplier.wait_for_gets(gets + 1)
        host.invalidator.invalidate([module_id])
        supplier.release()
        assert waiting.result(WAIT_SECONDS) == "better_0"


@pytest.mark.usefixtures("worker")
def test_an_invalidated_missing_module_is_requested_again_at_once(
    open_host: OpenHost, supplier: SymbolServer, module_id: ModuleId, redis_cache: redis.Redis
) -> None:
    missing = MissingModules(KeyedCache(redis_cache))
    host = open_host(hears=True, missing_tally=MissingTally(missing))
    answer = host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
    assert answer.results[0].outcome is ModuleOutcome.MISSING
    assert missing.list(1)[1] == 1
    supplier.put(module_id, symbol_file(module_id))
    host.invalidator.invalidate([module_id])
    assert function(host, module_id) == "function_0"
    assert missing.list(1)[1] == 0


def test_other_modules_stay(
    open_host: OpenHost, file: File, module_id: ModuleId, worker: RunningWorker
) -> None:
    host = open_host(hears=True)
    assert function(host, file.module_id) == "function_0"
    other = ModuleId.parse("other.so", "0" * 33)
    host.invalidator.invalidate([other])
    assert host.held.modules.get(file.module_id) is not None


def test_while_the_cache_is_down_an_invalidation_fails_and_deletes_nothing(
    dead_redis: redis.Redis, open_host: OpenHost, spooled: ModuleId, spool: Spool
) -> None:
    host = open_host(spool, cache=dead_redis)
    assert function(host, spooled) == "function_0"
    with pytest.raises(CacheUnavailableError):
        host.invalidator.invalidate([spooled])
    assert function(host, spooled) == "function_0"


def test_invalidating_no_module_sends_no_request(
    dead_redis: redis.Redis, open_host: OpenHost
) -> None:
    open_host(cache=dead_redis).invalidator.invalidate([])


def test_a_failure_of_each_kind_is_forgotten(
    open_host: OpenHost, module_id: ModuleId, redis_cache: redis.Redis
) -> None:
    host, failures = open_host(hears=True), FailureMemory(KeyedCache(redis_cache))
    for kind in FailureKind:
        failures.remember(module_id, kind, "")
        host.invalidator.invalidate([module_id])
        assert failures.get_many([module_id]) == {}


def test_the_pages_of_an_invalidated_module_are_not_put_as_those_of_an_evicted_one(
    open_host: OpenHost,
    redis_cache: redis.Redis,
    redis_store: redis.Redis,
    xul: ModuleId,
    libc: ModuleId,
) -> None:
    memory = InsertionMemory(KeyedCache(redis_cache))
    memory.note_ingested(xul)
    memory.note_ingested(libc)
    host = open_host()
    tiers = replace(host.tiers, uses=UseTally(memory, RedisPageStore(redis_store)))
    Invalidator(InvalidationLog(KeyedCache(redis_cache)), tiers, host.held).invalidate([xul])
    assert [memory.terms(module_id).was_ingested for module_id in (xul, libc)] == [False, True]
