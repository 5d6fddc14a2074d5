"""The cache is emptied, or killed, while modules are in line or in hand: no work is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from symbolon import Client, ModuleOutcome
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, wait_until
from tests.fixtures.symbol_server import Answer, Ending
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions
from tests.system.faults.test_cache_faults import first_frames, outcomes
from tests.system.known_modules import SPACING, Question, known_modules

WANTED = numbered_module(1)


def is_awaited(queue: IngestQueue) -> bool:
    return queue.get_lengths()[Band.AWAITED] == 1


def answer(client: Client, module_id: ModuleId) -> list[str | None]:
    return functions(ask(client, [(module_id, 32)]))


@pytest.mark.promise(
    "A cache that is flushed costs a waiting call one second at most", group="ingests"
)
def test_what_a_call_waits_for_in_line_is_queued_again_within_a_look(site: Site) -> None:
    site.supplier.put(WANTED, symbol_file(WANTED))
    client, queue = site.new_client(), IngestQueue(site.cache)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answer, client, WANTED)
        for _ in range(2):
            wait_until(lambda: is_awaited(queue))
            site.cache.flushall()
        wait_until(lambda: is_awaited(queue))
        site.work()
        assert waiting.result(PATIENCE_SECONDS) == ["function_1"]
    assert queue.length() == 0


@pytest.mark.promise("A cache that is flushed costs a waiting call one second at most")
@pytest.mark.parametrize("is_killed", [False, True], ids=["goes on", "is killed"])
def test_what_a_call_waits_for_in_a_workers_hand_is_had_although_the_worker(
    site: Site, is_killed: bool
) -> None:
    path = site.supplier.put(WANTED, symbol_file(WANTED))
    whole = Answer(symbol_file(WANTED))
    stalled = Answer(symbol_file(WANTED), ending=Ending.STALLED_MIDWAY)
    site.supplier.answer(path, stalled, whole)
    worker, client, queue = site.work(), site.new_client(), IngestQueue(site.cache)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answer, client, WANTED)
        site.supplier.wait_for_gets(1)
        site.cache.flushall()
        wait_until(lambda: is_awaited(queue))
        if is_killed:
            worker.kill()
            site.work()
        else:
            site.supplier.release()
        assert waiting.result(PATIENCE_SECONDS) == ["function_1"]
    wait_until(lambda: queue.find_ended([WANTED]) == {WANTED})
    assert site.supplier.get_count == (2 if is_killed else 1)


def test_a_module_that_nobody_waits_for_is_queued_when_it_is_asked_for_again(site: Site) -> None:
    site.supplier.put(WANTED, symbol_file(WANTED))
    client = site.new_client()
    IngestQueue(site.cache).enqueue({WANTED: ()}, Band.PREFETCH)
    site.cache.flushall()
    site.work()
    assert answer(client, WANTED) == ["function_1"]


@pytest.mark.promise("Queued ingests survive the death of the cache and of the server")
def test_work_queued_in_a_cache_that_is_killed_is_done_when_it_comes_back(site: Site) -> None:
    modules = known_modules(range(15), functions=10)
    for module in modules:
        site.supplier.put(module.module_id, module.symbol_file())
    client = site.new_client()
    question = Question(modules, [[SPACING]] * len(modules))
    pending = client.symbolicate(*question.request(), max_wait=0)
    assert outcomes(pending) == {ModuleOutcome.PENDING}
    site.pair.kill("cache")
    assert outcomes(first_frames(client, modules[:1])) == {ModuleOutcome.UNAVAILABLE}
    site.pair.start("cache")
    site.work()
    site.supplier.wait_for_gets(len(modules))
    wait_until(lambda: outcomes(first_frames(client, modules)) == {ModuleOutcome.FOUND})
    assert set(site.supplier.counts().values()) == {1}
