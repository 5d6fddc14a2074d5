"""Real workers: what they ingest, how they fail, and that no job is lost when one dies."""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from symbolon_server.cache.failures import FailureKind
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import Answer, SymbolServer, symbol_server
from tests.ingest.plant import STALLED, Plant, plant
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.ingest.working.workers import WAIT_SECONDS, WorkerStarter

__all__ = ["plant", "symbol_server"]

CALLER = Path(__file__).with_name("caller_program.py")


@pytest.fixture
def starter(
    symbol_server: SymbolServer, redis_store_url: str, redis_cache_url: str, tmp_path: Path
) -> WorkerStarter:
    return WorkerStarter(redis_cache_url, redis_store_url, symbol_server.url, tmp_path / "workers")


@pytest.mark.promise("What kills an ingest spares the worker and other modules, and is reported")
def test_an_ingest_over_its_time_limit_is_unavailable(plant: Plant, xul: ModuleId) -> None:
    plant.server.answer("*", Answer(b"MODULE " * 9, ending=STALLED))
    with plant.workers.run(limits={"seconds": 1.0}):
        assert plant.load(xul) == {xul}
    assert plant.failure(xul).kind is FailureKind.UNAVAILABLE
    assert "longer than 1 second" in plant.failure(xul).detail


@pytest.mark.promise("What kills an ingest spares the worker and other modules, and is reported")
def test_an_ingest_over_its_memory_limit_is_malformed(plant: Plant, xul: ModuleId) -> None:
    plant.server.put(xul, symbol_file(xul, 100_000))
    with plant.workers.run(limits={"memory_bytes": 64 << 20}):
        assert plant.load(xul) == {xul}
    assert plant.failure(xul).kind is FailureKind.MALFORMED
    assert "64 MiB" in plant.failure(xul).detail


@pytest.mark.promise("A dead worker blocks its module no longer than its lease", group="ingests")
def test_the_job_of_a_killed_worker_goes_to_another_within_its_lease(
    plant: Plant, xul: ModuleId
) -> None:
    path = plant.server.put(xul, symbol_file(xul))
    plant.server.answer(path, Answer(symbol_file(xul), ending=STALLED), Answer(symbol_file(xul)))
    with plant.workers.run(lease_seconds=1.0) as worker, plant.loader.load({xul: []}) as pending:
        plant.server.wait_for_gets(1)
        ingest_process = worker.ingest_process()
        worker.process.kill()
        worker.process.wait()
        ingest_process.wait(WAIT_SECONDS)  # it dies with its worker
        assert pending.ended == frozenset()
        with plant.workers.run(lease_seconds=1.0):
            pending.wait(WAIT_SECONDS)
            assert pending.ended == {xul}
    assert plant.is_stored(xul)


@pytest.mark.promise("A dead worker blocks its module no longer than its lease")
def test_a_module_that_killed_two_workers_is_not_tried_on_a_third(
    plant: Plant, xul: ModuleId
) -> None:
    plant.server.put(xul, symbol_file(xul))
    dying = ClaimDesk(plant.cache, lease_seconds=0)
    with plant.loader.load({xul: []}) as pending:
        for _ in range(2):
            assert isinstance(dying.claim(), Claim)
        with plant.workers.run():
            pending.wait(WAIT_SECONDS)
            assert pending.ended == {xul}
    assert plant.failure(xul).kind is FailureKind.UNAVAILABLE
    assert plant.server.get_count == 0


def test_a_worker_without_work_stops_at_once(plant: Plant) -> None:
    with plant.workers.run() as worker:
        worker.wait_until_ready()
        assert worker.stop() == 0


def test_a_worker_asked_to_stop_finishes_its_job(plant: Plant, xul: ModuleId) -> None:
    plant.server.answer("*", Answer(symbol_file(xul), ending=STALLED))
    with plant.workers.run(stop_seconds=600) as worker, plant.loader.load({xul: []}) as pending:
        plant.server.wait_for_gets(1)
        worker.process.terminate()
        plant.server.release()
        assert worker.process.wait(WAIT_SECONDS) == 0
        pending.wait(WAIT_SECONDS)
        assert pending.ended == {xul}
    assert plant.is_stored(xul)


def test_a_worker_that_cannot_finish_puts_its_job_back(plant: Plant, xul: ModuleId) -> None:
    path = plant.server.put(xul, symbol_file(xul))
    plant.server.answer(path, Answer(symbol_file(xul), ending=STALLED), Answer(symbol_file(xul)))
    with plant.loader.load({xul: []}) as pending:
        with plant.workers.run(stop_seconds=0) as worker:
            plant.server.wait_for_gets(1)
            assert worker.stop() == 0
        assert pending.ended == frozenset()
        assert plant.queue.get_lengths() == {Band.AWAITED: 1, Band.WANTED: 0, Band.PREFETCH: 0}
        with plant.workers.run():
            pending.wait(WAIT_SECONDS)
            assert pending.ended == {xul}
    assert plant.is_stored(xul)
    assert plant.failures.get_many([xul]) == {}


def test_a_second_request_to_stop_puts_the_job_back_at_once(plant: Plant, xul: ModuleId) -> None:
    plant.server.answer("*", Answer(symbol_file(xul), ending=STALLED))
    with plant.workers.run(stop_seconds=600) as worker:
        plant.queue.enqueue({xul: []}, Band.PREFETCH)
        plant.server.wait_for_gets(1)
        while plant.queue.length() == 0:  # within a second it counts as the same request
            worker.process.terminate()
            worker.wait_for_log()
        assert worker.process.wait(WAIT_SECONDS) == 0
    assert plant.queue.get_lengths() == {Band.AWAITED: 0, Band.WANTED: 0, Band.PREFETCH: 1}


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limit of another process")
def test_a_worker_without_a_descriptor_for_an_ingest_gives_its_job_back_and_goes_on(
    plant: Plant, xul: ModuleId
) -> None:
    plant.server.put(xul, symbol_file(xul))
    with plant.workers.run() as worker:
        worker.wait_until_ready()
        process = psutil.Process(worker.process.pid)
        limits = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), limits[1]))
        with plant.loader.load({xul: []}) as pending:
            worker.wait_until_logged("ingest_process_not_started")
            process.rlimit(psutil.RLIMIT_NOFILE, limits)
            pending.wait(WAIT_SECONDS)
            assert pending.ended == {xul}
        assert plant.is_stored(xul)
        assert worker.stop() == 0


def test_a_worker_runs_awaited_modules_before_prefetches(plant: Plant) -> None:
    prefetched = [numbered_module(number) for number in range(3)]
    wanted = numbered_module(9)
    for module_id in (*prefetched, wanted):
        plant.server.put(module_id, symbol_file(module_id))
    plant.queue.enqueue(dict.fromkeys(prefetched, ()), Band.PREFETCH)
    with plant.loader.load({wanted: [], prefetched[2]: []}) as pending, plant.workers.run():
        pending.wait(WAIT_SECONDS)
        plant.load(*prefetched)
    order = [get.path for get in plant.server.gets]
    expected = [wanted, prefetched[2], prefetched[0], prefetched[1]]
    assert order == [plant.server.path_of(module_id) for module_id in expected]


def test_two_workers_share_a_queue_and_the_spool(plant: Plant, tmp_path: Path) -> None:
    modules = [numbered_module(number) for number in range(20)]
    for module_id in modules:
        plant.server.put(module_id, symbol_file(module_id))
    spool = tmp_path / "spool"
    with plant.workers.run(spool=spool), plant.workers.run(spool=spool):
        assert plant.load(*modules) == set(modules)
        plant.store._client.flushall()
        assert plant.load(*modules) == set(modules)
    assert all(map(plant.is_stored, modules))
    assert set(plant.server.counts().values()) == {1}


def test_calls_of_two_processes_for_one_cold_module_cause_one_request(
    plant: Plant, xul: ModuleId
) -> None:
    calls = 32
    plant.server.answer("*", Answer(symbol_file(xul), ending=STALLED))
    command = [sys.executable, str(CALLER), plant.workers.cache_url, str(xul), str(calls)]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={"PYTHONPATH": str(CALLER.parents[3])},
                    text=True,
                )
            )
            for _ in range(2)
        ]
        stack.enter_context(plant.workers.run())
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        for server in servers:
            assert server.stdin is not None
            server.stdin.write("begin\n")
            server.stdin.flush()
        plant.server.wait_for_gets(1)
        plant.server.release()
        assert [server.communicate()[0] for server in servers] == [f"{calls}\n"] * 2
    assert plant.is_stored(xul)
    assert plant.server.get_count == 1


def test_a_worker_continues_after_the_cache_was_restarted(
    plant: Plant, xul: ModuleId, tmp_path: Path
) -> None:
    plant.server.put(xul, symbol_file(xul))
    socket = tmp_path / "socket"
    workers = replace(plant.workers, cache_url=f"unix://{socket}")
    with ExitStack() as stack:
        with EmbeddedRedis.start("cache.conf") as first:
            socket.symlink_to(first.url.removeprefix("unix://"))
            stack.enter_context(workers.run()).wait_until_ready()
        with EmbeddedRedis.start("cache.conf") as second, connect(second.url) as client:
            socket.unlink()
            socket.symlink_to(second.url.removeprefix("unix://"))
            loader = ModuleLoader(client)
            loader.start()
            with loader.load({xul: []}) as pending:
                pending.wait(WAIT_SECONDS)
                assert pending.ended == {xul}
            loader.close()
    assert plant.is_stored(xul)


def test_a_worker_waits_for_a_cache_that_starts_after_it(
    plant: Plant, redis_cache_url: str, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"
    with replace(plant.workers, cache_url=f"unix://{socket}").run() as worker:
        worker.wait_until_logged("cache_unreachable")
        socket.symlink_to(redis_cache_url.removeprefix("unix://"))
        worker.wait_until_ready()
        assert worker.stop() == 0


@pytest.mark.promise("A Redis failover fails no call, and new modules are found within 10 s")
def test_a_worker_on_a_replica_logs_it_once_and_waits_until_it_can_write(plant: Plant) -> None:
    plant.cache.replicaof("127.0.0.1", "1")
    try:
        with plant.workers.run() as worker:
            while b"cache_unreachable" not in worker.log.read_bytes():
                worker.wait_for_log()
            plant.cache.replicaof("NO", "ONE")
            worker.wait_until_ready()
            assert worker.stop() == 0
    finally:
        plant.cache.replicaof("NO", "ONE")
    line, ready = worker.log.read_text().splitlines()
    assert "worker_ready" in ready
    assert "it is a read-only replica" in line


def test_a_cache_outage_only_delays_the_end_of_a_job(plant: Plant, xul: ModuleId) -> None:
    plant.server.answer("*", Answer(symbol_file(xul), ending=STALLED))
    with plant.workers.run(), plant.loader.load({xul: []}) as pending:
        plant.server.wait_for_gets(1)
        plant.cache.client_pause(1500)
        plant.server.release()
        pending.wait(WAIT_SECONDS)
        assert pending.ended == {xul}
    assert plant.server.get_count == 1
    assert plant.queue.find_ended([xul]) == {xul}


def test_a_worker_writes_only_its_own_log(plant: Plant, xul: ModuleId) -> None:
    plant.server.put(xul, symbol_file(xul))
    with plant.workers.run() as worker:
        plant.load(xul)
        worker.stop()
        lines = worker.log.read_text().splitlines()
    assert len(lines) == 2
    assert "worker_ready" in lines[0]
    assert "ingest_ended" in lines[1]
    assert f"module={xul}" in lines[1]
