"""Answers for modules that are not ready, while no worker runs or while one starts."""

import time

import redis

from symbolon.v1.stack_pb2 import FrameOutcome as WireOutcome
from symbolon_server.cache.failures import FailureKind, FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import WorkerStarter
from tests.symbolication.conftest import (
    WAIT_SECONDS,
    Host,
    IngestNow,
    calls,
    new_calls,
    new_module,
    query,
)

MANY = 8_000
LAST = (MANY - 1) * 32


def test_a_failure_that_another_server_remembers_counts_here_too(
    host: Host, redis_cache: redis.Redis, queue: IngestQueue, module_id: ModuleId
) -> None:
    memory = FailureMemory(KeyedCache(redis_cache))
    memory.remember(module_id, FailureKind.MALFORMED, "line 7 is no good")
    [result] = host.find(module_id, 0, wait_seconds=WAIT_SECONDS).results
    assert (result.outcome, result.detail) == (ModuleOutcome.MALFORMED, "line 7 is no good")
    assert queue.length() == 0


def test_a_module_that_is_held_is_answered_whatever_failure_is_remembered(
    supplier: SymbolServer,
    ingest_now: IngestNow,
    host: Host,
    redis_cache: redis.Redis,
    module_id: ModuleId,
) -> None:
    supplier.put(module_id, symbol_file(module_id))
    ingest_now(module_id)
    FailureMemory(KeyedCache(redis_cache)).remember(module_id, FailureKind.MISSING, "gone since")
    answer = host.find(module_id, 0)
    assert answer.functions == ["function_0"]
    assert answer.results[0].outcome is ModuleOutcome.FOUND


def test_without_time_to_wait_a_call_is_answered_at_once_and_the_ingest_continues(
    workers: WorkerStarter,
    supplier: SymbolServer,
    host: Host,
    queue: IngestQueue,
    module_id: ModuleId,
) -> None:
    path = supplier.put(module_id, symbol_file(module_id))
    [result] = host.find(module_id, 0).results
    assert result.outcome is ModuleOutcome.PENDING
    assert result.retry_after_seconds is not None
    assert result.retry_after_seconds > 0.0
    pending = host.find(module_id, 0)
    assert pending.stacks[0][0].outcome == WireOutcome.FRAME_OUTCOME_MODULE_PENDING
    assert pending.stacks[0][0].module == module_id.debug_file
    assert pending.symbolication.diagnostics.waited_seconds is None
    assert queue.length() == 1
    with workers.run():
        answer = host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0"]
    assert supplier.counts()[path] == 1


def test_a_wait_that_ends_too_early_is_pending_within_its_time(
    host: Host, module_id: ModuleId
) -> None:
    start = time.monotonic()
    answer = host.find(module_id, 0, wait_seconds=0.1)
    assert 0.1 <= time.monotonic() - start < 5.0
    assert answer.results[0].outcome is ModuleOutcome.PENDING
    waited = answer.symbolication.diagnostics.waited_seconds
    assert waited is not None
    assert 0.0 < waited <= answer.symbolication.diagnostics.seconds
    assert answer.symbolication.diagnostics.ingests == 1


def test_without_a_place_to_wait_a_call_is_answered_at_once_and_reports_it(
    host: Host, queue: IngestQueue, module_id: ModuleId
) -> None:
    frames = [FrameQuery(0, 0, False)]
    answer = host.ask([query(module_id)], [frames], WAIT_SECONDS, has_place=False)
    assert answer.results[0].outcome is ModuleOutcome.PENDING
    assert answer.symbolication.diagnostics.is_wait_refused
    assert answer.symbolication.diagnostics.waited_seconds is None
    assert queue.length() == 1


def test_one_pending_module_delays_no_other_answer(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, module_id: ModuleId
) -> None:
    supplier.put(module_id, symbol_file(module_id))
    ingest_now(module_id)
    frames = [FrameQuery(0, 0, False), FrameQuery(1, 0, False)]
    answer = host.ask([query(module_id), query(new_module())], [frames])
    assert answer.functions == ["function_0", ""]
    outcomes = [result.outcome for result in answer.results]
    assert outcomes == [ModuleOutcome.FOUND, ModuleOutcome.PENDING]


def test_the_failures_of_all_modules_are_one_request(host: Host, redis_cache: redis.Redis) -> None:
    modules = [new_module() for _ in range(20)]
    before = calls(redis_cache)
    host.ask([query(m) for m in modules], [[FrameQuery(n, 0, False) for n in range(20)]])
    assert new_calls(redis_cache, before, "mget", "exec") == {"mget": 1, "exec": 1}


def test_without_any_spool_an_evicted_page_is_one_new_ingest(
    workers: WorkerStarter,
    supplier: SymbolServer,
    host: Host,
    redis_store: redis.Redis,
    module_id: ModuleId,
) -> None:
    path = supplier.put(module_id, symbol_file(module_id, MANY))
    with workers.run():
        host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
        for key in redis_store.keys("page:*"):
            redis_store.delete(key)
        answer = host.find(module_id, 0, LAST, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0", f"function_{MANY - 1}"]
    assert supplier.counts()[path] == 2
