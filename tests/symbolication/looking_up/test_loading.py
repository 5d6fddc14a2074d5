"""Modules that no tier has: ingested by a real worker, awaited, and reported if they fail."""

import pytest
import redis

from symbolon.v1.stack_pb2 import FrameOutcome as WireOutcome
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import decode_directory
from tests.fixtures.symbol_server import Answer as SupplierAnswer
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import (
    WAIT_SECONDS,
    Host,
    OpenHost,
    new_module,
    query,
)

MANY = 8_000
LAST = (MANY - 1) * 32


def test_a_module_that_is_nowhere_is_ingested_and_answered_in_one_call(
    worker: RunningWorker, supplier: SymbolServer, host: Host, module_id: ModuleId
) -> None:
    path = supplier.put(module_id, symbol_file(module_id))
    answer = host.find(module_id, 0, 32, wait_seconds=WAIT_SECONDS)
    assert answer.functions == ["function_0", "function_1"]
    diagnostics = answer.symbolication.diagnostics
    assert diagnostics.ingests == 1
    assert diagnostics.waited_seconds is not None
    assert diagnostics.modules[0].is_ingest_requested
    assert diagnostics.modules[0].generation
    assert host.find(module_id, 0, 64).functions == ["function_0", "function_2"]
    assert supplier.counts()[path] == 1


def test_one_call_reports_modules_of_every_outcome(
    worker: RunningWorker, supplier: SymbolServer, host: Host
) -> None:
    found, missing, malformed, unavailable = (new_module() for _ in range(4))
    supplier.put(found, symbol_file(found))
    supplier.put(malformed, b"MODULE Linux\n")
    supplier.answer(
        supplier.path_of(unavailable), SupplierAnswer(status=503, headers={"Retry-After": "3600"})
    )
    modules = [query(module) for module in (found, missing, malformed, unavailable)]
    answer = host.ask(modules, [[FrameQuery(n, 0, False) for n in range(4)]], WAIT_SECONDS)
    results = answer.results
    assert [result.outcome for result in results] == [
        ModuleOutcome.FOUND,
        ModuleOutcome.MISSING,
        ModuleOutcome.MALFORMED,
        ModuleOutcome.UNAVAILABLE,
    ]
    assert [frame.outcome for frame in answer.stacks[0]] == [
        WireOutcome.FRAME_OUTCOME_SYMBOLICATED,
        WireOutcome.FRAME_OUTCOME_MODULE_MISSING,
        WireOutcome.FRAME_OUTCOME_MODULE_MALFORMED,
        WireOutcome.FRAME_OUTCOME_MODULE_UNAVAILABLE,
    ]
    assert [frame.module for frame in answer.stacks[0][1:]] == [
        module.debug_file for module in (missing, malformed, unavailable)
    ]
    for result, longest in zip(results[1:], (60.0, 3600.0, 60.0), strict=True):
        assert result.detail
        assert result.retry_after_seconds is not None
        assert 0.0 < result.retry_after_seconds <= longest
    assert answer.symbolication.diagnostics.ingests == 4


def test_a_remembered_failure_is_no_new_ingest(
    worker: RunningWorker, supplier: SymbolServer, host: Host, module_id: ModuleId
) -> None:
    host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
    answer = host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
    assert answer.results[0].outcome is ModuleOutcome.MISSING
    assert answer.symbolication.diagnostics.ingests == 0
    assert answer.symbolication.diagnostics.waited_seconds is None
    assert supplier.counts()[supplier.path_of(module_id)] == 1


class TestOnAnotherHostThanItsWorker:
    """A server whose pages are in a spool that only its worker can read."""

    @pytest.fixture
    def spooled(
        self, worker: RunningWorker, supplier: SymbolServer, host: Host, module_id: ModuleId
    ) -> ModuleId:
        """A module of several pages, held with its first page by `host`."""
        supplier.put(module_id, symbol_file(module_id, MANY))
        answer = host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
        assert answer.functions == ["function_0"]
        return module_id

    def last_page_of(self, store: redis.Redis, module_id: ModuleId) -> PageKey:
        data = RedisPageStore(store).get_directories([module_id])[0]
        assert data is not None
        directory = decode_directory(module_id, data)
        return PageKey(module_id, directory.generation, directory.page_count - 1)

    def check_last_page(self, host: Host, spooled: ModuleId, supplier: SymbolServer) -> None:
        answer = host.find(spooled, LAST, wait_seconds=WAIT_SECONDS)
        assert answer.functions == [f"function_{MANY - 1}"]
        assert answer.symbolication.diagnostics.ingests == 1
        assert supplier.counts()[supplier.path_of(spooled)] == 1

    def test_an_evicted_page_of_a_held_module_is_put_back_and_answered(
        self, spooled: ModuleId, host: Host, redis_store: redis.Redis, supplier: SymbolServer
    ) -> None:
        key = self.last_page_of(redis_store, spooled)
        redis_store.delete(f"page:{spooled}:{key.generation}:{key.number}")
        self.check_last_page(host, spooled, supplier)

    def test_an_emptied_store_is_filled_and_answered(
        self, spooled: ModuleId, host: Host, redis_store: redis.Redis, supplier: SymbolServer
    ) -> None:
        redis_store.flushall()
        self.check_last_page(host, spooled, supplier)

    def test_a_damaged_page_of_a_held_module_is_put_back_and_answered(
        self, spooled: ModuleId, host: Host, redis_store: redis.Redis, supplier: SymbolServer
    ) -> None:
        RedisPageStore(redis_store).put_pages({self.last_page_of(redis_store, spooled): b"Sy"})
        self.check_last_page(host, spooled, supplier)

    def test_a_damaged_directory_is_put_back_and_answered(
        self,
        spooled: ModuleId,
        open_host: OpenHost,
        redis_store: redis.Redis,
        supplier: SymbolServer,
    ) -> None:
        RedisPageStore(redis_store).put_directories({spooled: b"SyD"})
        self.check_last_page(open_host(), spooled, supplier)
