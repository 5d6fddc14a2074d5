"""More cold modules at once than workers can ingest, or than the queue holds."""

import signal
import time
from pathlib import Path
from threading import Event

import pytest

from symbolon import ModuleOutcome
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from tests.app.conftest import wait_until
from tests.system.conftest import Site
from tests.system.known_modules import KnownModule, Question, known_modules

WORKERS = 2
MOST_MODULES_A_CALL = 5_000
BYTES_A_JOB = 4_096
"""Of the cache's memory: a bound with room, not a measurement."""


def put_tiny_files(folder: Path, modules: list[KnownModule]) -> None:
    for module in modules:
        module_id = module.module_id
        path = folder / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
        path.parent.mkdir(parents=True)
        path.write_bytes(module.symbol_file())


@pytest.mark.promise(
    "10,000 cold modules queued at once are ingested, requested ones first", group="ingests"
)
@pytest.mark.parametrize(
    "number",
    [100, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])],
)
def test_many_cold_modules_queued_at_once_are_all_ingested_those_that_calls_want_first(
    site: Site, tmp_path: Path, number: int
) -> None:
    folder = tmp_path / "symbols"
    asked, prefetched = known_modules(range(number), 2), known_modules(range(20_000, 20_050), 2)
    put_tiny_files(folder, [*asked, *prefetched])
    client = site.new_client(suppliers=str(folder), spool_bytes="0")
    queue = IngestQueue(site.cache)
    before = dataset_bytes(site)
    queue.enqueue({module.module_id: () for module in prefetched}, Band.PREFETCH)
    for _ in range(2):
        for first in range(0, number, MOST_MODULES_A_CALL):
            some = asked[first : first + MOST_MODULES_A_CALL]
            client.symbolicate(*Question(some, [[0]] * len(some)).request(), max_wait=0)
        assert queue.get_lengths() == {
            Band.AWAITED: 0,
            Band.WANTED: number,
            Band.PREFETCH: len(prefetched),
        }
    assert dataset_bytes(site) - before < BYTES_A_JOB * (number + len(prefetched))
    for _ in range(WORKERS):
        site.work(suppliers=str(folder), spool_bytes="0")
    wait_until_empty(queue, len(prefetched), 1_200)
    wait_until(lambda: len(site.store.keys("symbol:*")) == number + len(prefetched))


def dataset_bytes(site: Site) -> int:
    """Return what the cache holds, without what Redis needs for itself."""
    return int(site.cache.info("memory")["used_memory_dataset"])


def wait_until_empty(queue: IngestQueue, prefetched: int, seconds: float) -> None:
    """Return when nothing is queued; fail if a prefetch goes before what a call wants."""
    pause, end = Event(), time.monotonic() + seconds
    while any(lengths := queue.get_lengths().values()):
        awaited, wanted, prefetches = lengths
        # They are not read in one step: each worker may have taken one in between.
        assert awaited + wanted == 0 or prefetches >= prefetched - WORKERS
        assert time.monotonic() < end
        pause.wait(0.05)


@pytest.mark.promise("The queue is bounded, and names the modules that it refuses")
def test_when_the_queue_is_full_new_modules_are_unavailable_for_now(site: Site) -> None:
    held, *cold = known_modules(range(4), functions=10)
    site.supplier.put(held.module_id, held.symbol_file())
    client = site.new_client(max_queued_modules="1")
    worker = site.work()
    client.symbolicate(*Question([held], [[0]]).request())
    assert worker.end(signal.SIGTERM) == 0
    client.symbolicate(*Question(cold[:1], [[0]]).request(), max_wait=0)
    answer = client.symbolicate(*Question([held, cold[2]], [[0], [0]]).request())
    found, refused = answer.modules
    assert found.outcome is ModuleOutcome.FOUND
    assert refused.outcome is ModuleOutcome.UNAVAILABLE
    assert "too many modules wait" in refused.detail
    assert refused.retry_after_seconds
