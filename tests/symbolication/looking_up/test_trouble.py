"""What is answered while a Redis is down or hangs."""

import time
from dataclasses import replace

import redis

from symbolon.v1.stack_pb2 import FrameOutcome as WireOutcome
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome
from symbolon_server.symbolication.module_lookup import ModuleLookup
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.working.workers import WorkerStarter
from tests.symbolication.conftest import (
    WAIT_SECONDS,
    Answer,
    File,
    OpenHost,
    new_module,
    query,
)

BOUND_SECONDS = 5.0
"""A call needs a fraction of it; redis-py by itself would hold one for a minute."""


def warnings(answer: Answer) -> list[str]:
    return answer.symbolication.diagnostics.warnings


def test_while_the_store_is_down_the_spool_answers(
    dead_redis: redis.Redis, open_host: OpenHost, spool: Spool, spooled: ModuleId
) -> None:
    host = open_host(spool, store=RedisPageStore(dead_redis))
    start = time.monotonic()
    answer = host.find(spooled, 0)
    assert answer.functions == ["function_0"]
    [warning] = warnings(answer)
    assert "the store does not answer" in warning
    assert host.find(spooled, 0, 32).functions == ["function_0", "function_1"]
    assert time.monotonic() - start < BOUND_SECONDS


def test_while_the_store_is_down_a_cold_module_is_answered_through_the_spool(
    dead_redis: redis.Redis, open_host: OpenHost, spool: Spool, file: File, workers: WorkerStarter
) -> None:
    host = open_host(spool, store=RedisPageStore(dead_redis))
    with workers.run(spool=spool._folder):
        answer = host.find(file.module_id, 0, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0"]
    assert file.gets() == 1


def test_without_store_and_spool_a_module_is_unavailable_with_the_reason(
    dead_redis: redis.Redis, open_host: OpenHost, file: File, workers: WorkerStarter
) -> None:
    host = open_host(store=RedisPageStore(dead_redis))
    port = dead_redis.connection_pool.connection_kwargs["port"]
    with replace(workers, store_url=f"redis://127.0.0.1:{port}").run():
        [result] = host.find(file.module_id, 0, wait_seconds=WAIT_SECONDS).results
    assert result.outcome is ModuleOutcome.UNAVAILABLE
    assert "store" in result.detail
    assert result.retry_after_seconds is not None


def test_while_the_cache_is_down_what_is_held_is_answered_and_the_rest_unavailable(
    dead_redis: redis.Redis, open_host: OpenHost, spool: Spool, spooled: ModuleId
) -> None:
    host = open_host(spool, cache=dead_redis)
    cold = new_module()
    frames = [FrameQuery(0, 0, False), FrameQuery(1, 0, False)]
    for _ in range(3):
        start = time.monotonic()
        answer = host.ask([query(spooled), query(cold)], [frames], WAIT_SECONDS)
        assert time.monotonic() - start < BOUND_SECONDS
        assert answer.functions == ["function_0", ""]
        assert answer.stacks[0][1].outcome == WireOutcome.FRAME_OUTCOME_MODULE_UNAVAILABLE
        found, unavailable = answer.results
        assert found.outcome is ModuleOutcome.FOUND
        assert unavailable.outcome is ModuleOutcome.UNAVAILABLE
        assert "cache" in unavailable.detail
        assert unavailable.retry_after_seconds is not None
        assert 0.0 < unavailable.retry_after_seconds < 60.0
        assert answer.symbolication.diagnostics.warnings


def test_modules_can_be_inspected_while_the_store_is_down(
    dead_redis: redis.Redis,
    open_host: OpenHost,
    spool: Spool,
    spooled: ModuleId,
    queue: IngestQueue,
) -> None:
    host = open_host(spool, store=RedisPageStore(dead_redis))
    (report,) = ModuleLookup(host.tiers, queue.find_ended).get_modules([spooled])
    assert report.directory is not None
    assert report.directory.facts.functions == 3


def test_a_store_that_comes_back_is_used_again(
    open_host: OpenHost, redis_store: redis.Redis, spooled: ModuleId
) -> None:
    host = open_host()
    redis_store.client_pause(1200)
    assert host.find(spooled, 0).results[0].outcome is ModuleOutcome.UNAVAILABLE
    deadline = time.monotonic() + WAIT_SECONDS
    while (answer := host.find(spooled, 0, wait_seconds=0.05)).functions != ["function_0"]:
        assert time.monotonic() < deadline
    assert answer.results[0].outcome is ModuleOutcome.FOUND
    assert warnings(answer) == []
