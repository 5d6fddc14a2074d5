"""The outcomes of modules, all by one worker, which outlives each test."""

import signal
from collections.abc import Iterator

import pytest

from symbolon_server.cache.failures import FailureKind
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import Answer, SymbolServer
from tests.ingest.plant import STALLED, Plant, plant
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.ingest.working.workers import WAIT_SECONDS, RunningWorker, WorkerStarter

__all__ = ["plant"]


@pytest.fixture(scope="module")
def symbol_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SymbolServer]:
    with SymbolServer(tmp_path_factory.mktemp("symbol-server") / "symbols") as server:
        yield server


@pytest.fixture(scope="module")
def starter(
    symbol_server: SymbolServer,
    redis_store_url: str,
    redis_cache_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> WorkerStarter:
    folder = tmp_path_factory.mktemp("workers")
    return WorkerStarter(redis_cache_url, redis_store_url, symbol_server.url, folder)


@pytest.fixture(scope="module", autouse=True)
def worker(starter: WorkerStarter) -> Iterator[RunningWorker]:
    """It waits for jobs while stores, failures and symbol files are emptied."""
    with starter.run() as worker:
        yield worker


def test_a_requested_module_is_ingested_and_announced(plant: Plant, xul: ModuleId) -> None:
    plant.server.put(xul, symbol_file(xul))
    plant.failures.remember(numbered_module(1), FailureKind.MISSING, "of another module")
    assert plant.load(xul) == {xul}
    assert plant.is_stored(xul)
    assert plant.failures.get_many([xul]) == {}
    assert plant.queue.find_ended([xul]) == {xul}


def test_failures_are_remembered_by_kind(plant: Plant) -> None:
    missing, malformed, unavailable, found = map(numbered_module, range(4))
    plant.server.put(malformed, symbol_file(found))
    busy = Answer(status=503, headers={"Retry-After": "3600"})
    plant.server.answer(plant.server.path_of(unavailable), busy)
    plant.server.put(found, symbol_file(found))
    # This one comes last: the supplier is paused after it.
    everything = [missing, malformed, found, unavailable]
    assert plant.load(*everything) == set(everything)
    kinds = {
        module: failure.kind for module, failure in plant.failures.get_many(everything).items()
    }
    assert kinds == {
        missing: FailureKind.MISSING,
        malformed: FailureKind.MALFORMED,
        unavailable: FailureKind.UNAVAILABLE,
    }
    assert all(failure.detail for failure in plant.failures.get_many(everything).values())


def test_a_paused_supplier_gets_no_request_until_it_is_tried_again(
    plant: Plant,
) -> None:
    first, second, third = map(numbered_module, range(3))
    busy = Answer(status=429, headers={"Retry-After": "50"})
    plant.server.answer("*", busy, Answer(symbol_file(third)))
    plant.load(first)
    plant.load(second)
    assert plant.server.get_count == 1
    failure = plant.failure(second)
    assert failure.kind is FailureKind.UNAVAILABLE
    assert failure.detail.endswith(": skipped after failures: answers HTTP 429")
    assert failure.retry_after_seconds > 30
    [pause] = plant.cache.keys("supplier:pause:*")
    plant.cache.delete(pause)
    plant.load(third)
    assert plant.server.get_count == 2
    assert plant.is_stored(third)


def test_an_ingested_module_has_no_failure_any_more(plant: Plant, xul: ModuleId) -> None:
    plant.load(xul)
    assert plant.failure(xul).kind is FailureKind.MISSING
    plant.server.put(xul, symbol_file(xul))
    plant.failures.forget(xul)
    plant.load(xul)
    assert plant.is_stored(xul)
    assert plant.failures.get_many([xul]) == {}


def test_a_failure_is_not_retried_for_a_caller_that_requested_it_before(
    plant: Plant, xul: ModuleId
) -> None:
    plant.failures.remember(xul, FailureKind.UNAVAILABLE, "a moment ago")
    assert plant.load(xul) == {xul}
    assert plant.server.get_count == 0
    assert plant.failure(xul).detail == "a moment ago"


@pytest.mark.promise(
    "What kills an ingest spares the worker and other modules, and is reported", group="ingests"
)
def test_a_killed_ingest_process_is_a_failure_and_the_worker_continues(
    plant: Plant, worker: RunningWorker
) -> None:
    poisonous, other = numbered_module(0), numbered_module(1)
    plant.server.answer(plant.server.path_of(poisonous), Answer(b"MODULE " * 9, ending=STALLED))
    plant.server.put(other, symbol_file(other))
    with plant.loader.load({poisonous: []}) as pending:
        plant.server.wait_for_gets(1)
        worker.ingest_process().kill()
        pending.wait(WAIT_SECONDS)
        assert pending.ended == {poisonous}
        assert plant.load(other) == {other}
    assert plant.failure(poisonous).kind is FailureKind.UNAVAILABLE
    assert "SIGKILL" in plant.failure(poisonous).detail
    assert plant.is_stored(other)


@pytest.mark.promise("What kills an ingest spares the worker and other modules, and is reported")
def test_a_crash_on_one_file_is_malformed(
    plant: Plant, worker: RunningWorker, xul: ModuleId
) -> None:
    plant.server.answer("*", Answer(b"MODULE " * 9, ending=STALLED))
    with plant.loader.load({xul: []}) as pending:
        plant.server.wait_for_gets(1)
        worker.ingest_process().send_signal(signal.SIGSEGV)
        pending.wait(WAIT_SECONDS)
        assert pending.ended == {xul}
    assert plant.failure(xul).kind is FailureKind.MALFORMED


def test_the_limit_of_memory_leaves_room_to_read(plant: Plant, xul: ModuleId) -> None:
    plant.server.put(xul, symbol_file(xul, 20_000))
    plant.load(xul)
    assert plant.is_stored(xul)
