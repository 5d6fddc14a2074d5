import json
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest
import redis

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon.results import Tier
from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingModules
from tests.app.conftest import SAMPLE, Program, StartProgram, wait_until

ORCHARD = "C3D8E3C7B6594DF1DFCA907993B477250"
SUPPLIER = str(SAMPLE / "symbols")
(SYMBOL_FILE,) = (SAMPLE / "symbols").glob("orchard/*/*")


def functions_of_sample(address: str) -> list[str]:
    """Symbolicate the sample's crash and return the functions found."""
    (job,) = json.loads((SAMPLE / "crash.json").read_text())["jobs"]
    modules = [Module(*entry) for entry in job["memoryMap"]]
    stacks = [[Frame(*frame) for frame in stack] for stack in job["stacks"]]
    with Client(address) as client:
        answer = client.symbolicate(modules, stacks)
    return [frame.function or "" for stack in answer.stacks for frame in stack]


def process_of(program: Program, *words: str) -> psutil.Process:
    """Return the one process below the program whose command line has all these words."""

    def fits(process: psutil.Process) -> bool:
        try:
            line = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            return False
        return all(word in line for word in words)

    return next(process for process in program.below() if fits(process))


def has_ended(process: psutil.Process) -> Callable[[], bool]:
    """Return a function that checks whether it has."""

    def tell() -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return tell


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_symbolicates_and_leaves_no_process_behind(
    serve: StartProgram, number: signal.Signals
) -> None:
    program = serve()
    address = program.await_address()
    functions = functions_of_sample(address)
    assert "main" in functions
    assert functions[-1] == "_start"
    assert len(program.below()) >= 3, "two Redis servers and a worker"
    assert program.end(number) == 0
    assert program.left_behind() == []
    assert "Traceback" not in program.log


def test_a_killed_server_takes_all_its_processes_with_it(serve: StartProgram) -> None:
    program = serve()
    program.await_address()
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    assert program.left_behind() == []


def test_a_signal_before_the_server_is_ready_stops_it_in_order(serve: StartProgram) -> None:
    program = serve()
    wait_until(lambda: bool(program.below()) or program.process.poll() is not None)
    assert program.end(signal.SIGTERM) == 0
    assert program.left_behind() == []


def test_several_processes_share_a_port_and_one_that_dies_is_replaced(
    serve: StartProgram,
) -> None:
    program = serve(processes="2")
    address = program.await_address()
    first = process_of(program, "server_main")
    first.kill()
    wait_until(has_ended(first))
    wait_until(lambda: sum("server_main" in " ".join(p.cmdline()) for p in running(program)) == 2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(functions_of_sample, [address] * 16))
    assert all(functions[-1] == "_start" for functions in answers)
    assert program.end(signal.SIGTERM) == 0
    assert program.left_behind() == []


def running(program: Program) -> list[psutil.Process]:
    return [p for p in program.below() if p.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_parent_takes_all_serving_processes_with_it(serve: StartProgram) -> None:
    program = serve(processes="2")
    program.await_address()
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    assert program.left_behind() == []


def test_a_worker_that_dies_is_replaced(serve: StartProgram) -> None:
    program = serve()
    address = program.await_address()
    worker = process_of(program, "symbolon_server", "worker")
    worker.kill()
    wait_until(has_ended(worker))
    assert functions_of_sample(address)[-1] == "_start"
    assert process_of(program, "symbolon_server", "worker").pid != worker.pid


@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
def test_a_separate_worker_serves_a_server_without_one(
    start: StartProgram, serve: StartProgram, redis_store_url: str, redis_cache_url: str
) -> None:
    urls = {"store_url": redis_store_url, "cache_url": redis_cache_url}
    worker = start("worker", suppliers=str(SAMPLE / "symbols"), **urls)
    program = serve(suppliers="", **urls)
    assert functions_of_sample(program.await_address())[-1] == "_start"
    assert program.below() == []
    assert worker.end(signal.SIGTERM) == 0
    assert worker.left_behind() == []


@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
def test_missing_modules_are_counted_to_the_last_call(
    serve: StartProgram, redis_store_url: str, redis_cache_url: str, redis_cache: redis.Redis
) -> None:
    program = serve("--worker", store_url=redis_store_url, cache_url=redis_cache_url)
    address = program.await_address()
    for _ in range(3):
        functions_of_sample(address)
    assert program.end(signal.SIGTERM) == 0
    (libc,), _ = MissingModules(KeyedCache(redis_cache)).list(10)
    assert (libc.asked.module_id.debug_file, libc.count) == ("libc.so.6", 3)


def test_a_server_reports_its_tiers(serve: StartProgram) -> None:
    address = serve().await_address()
    functions_of_sample(address)
    functions_of_sample(address)
    with Client(address) as client:
        frames, memory, spool = client.get_store_info().tiers
    assert [tier.tier for tier in (frames, memory, spool)] == [Tier.FRAMES, Tier.MEMORY, Tier.SPOOL]
    assert (frames.entries, frames.hits, frames.misses) == (5, 5, 5 + 2 * 2)
    assert memory.hits > 0
    assert spool.entries == 1
    assert spool.max_bytes >= spool.bytes > 0
    assert spool.misses > 0


def test_an_embedded_redis_that_dies_ends_the_server(serve: StartProgram) -> None:
    program = serve()
    program.await_address()
    redis_server = next(process for process in program.below() if "-server" in process.name())
    redis_server.kill()
    assert program.process.wait(60) == 1
    assert program.left_behind() == []
    assert "embedded_redis_ended" in program.log


def test_a_waiting_call_is_answered_when_the_server_stops(
    serve: StartProgram, redis_store_url: str, redis_cache_url: str
) -> None:
    program = serve(
        "--no-worker",
        store_url=redis_store_url,
        cache_url=redis_cache_url,
        shutdown_grace_seconds="2",
    )
    address = program.await_address()
    with Client(address, timeout=60) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.symbolicate, [Module("waits.pdb", ORCHARD)], [[Frame(0, 1)]])
        wait_until(lambda: client.get_store_info().queued_modules == 1)
        assert program.end(signal.SIGTERM) == 0
        (module,) = waiting.result(60).modules
    assert module.outcome is ModuleOutcome.PENDING


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_stop_under_load_fails_no_call_in_a_way_that_cannot_be_tried_again(
    serve: StartProgram, processes: str
) -> None:
    program = serve(processes=processes)
    address = program.await_address()
    functions_of_sample(address)
    frames = [stack_pb2.Frame(module_index=0, module_offset=4624)] * 50
    request = SymbolicateRequest(
        modules=[module_pb2.Module(debug_file="orchard", debug_id=ORCHARD)],
        stacks=[stack_pb2.Stack(frames=frames)],
    )
    under_way = threading.Barrier(9)

    def call_until_refused() -> grpc.StatusCode:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options) as channel:
            stub = SymbolicationServiceStub(channel)
            stub.Symbolicate(request, timeout=30)
            under_way.wait(60)
            while True:
                try:
                    stub.Symbolicate(request, timeout=30)
                except grpc.RpcError as error:
                    return error.code()

    with ThreadPoolExecutor(8) as pool:
        calling = [pool.submit(call_until_refused) for _ in range(8)]
        under_way.wait(60)
        assert program.end(signal.SIGTERM) == 0
        assert {call.result(60) for call in calling} == {grpc.StatusCode.UNAVAILABLE}


INGESTS = [
    'symbolon_ingests_total{outcome="ingested"} 1.0',
    'symbolon_ingests_total{outcome="missing"} 1.0',
    "symbolon_ingest_seconds_count 1.0",
    f'symbolon_supplier_fetches_total{{outcome="found",supplier="{SUPPLIER}"}} 1.0',
    f'symbolon_supplier_fetches_total{{outcome="missing",supplier="{SUPPLIER}"}} 1.0',
    f'symbolon_supplier_bytes_total{{supplier="{SUPPLIER}"}} {SYMBOL_FILE.stat().st_size}.0',
]
"""What a worker counts of the sample."""


def frames_in(lines: list[str]) -> float:
    """Return the frames answered, of all outcomes."""
    frames = [line.split() for line in lines if line.startswith("symbolon_frames_total{")]
    return sum(float(count) for _, count in frames)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_metrics_of_a_server_and_its_worker_are_added_up(
    serve: StartProgram, environment: dict[str, str], tmp_path: Path, processes: str
) -> None:
    environment["TMPDIR"] = str(tmp_path)
    port = free_port()
    program = serve(metrics_listen=f"127.0.0.1:{port}", processes=processes)
    address = program.await_address()
    for _ in range(6):
        functions_of_sample(address)
    # Serving processes write down what they counted once a second.
    wait_until(lambda: frames_in(scrape(port)) == 42)
    lines = scrape(port)
    assert set(lines) >= set(INGESTS)
    assert len(set(lines)) == len(lines)
    (folder,) = tmp_path.glob("symbolon-metrics-*")
    counting = {path.stem.rpartition("_")[2] for path in folder.iterdir()}
    assert counting <= {str(process.pid) for process in program.below()}, (
        "ingest processes left files"
    )
    assert program.end(signal.SIGTERM) == 0
    assert not folder.exists()


@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
def test_a_worker_of_its_own_has_metrics_of_its_own(
    start: StartProgram, serve: StartProgram, redis_store_url: str, redis_cache_url: str
) -> None:
    urls = {"store_url": redis_store_url, "cache_url": redis_cache_url}
    port = free_port()
    watched = f"127.0.0.1:{port}"
    worker = start("worker", suppliers=SUPPLIER, metrics_listen=watched, **urls)
    address = serve(suppliers="", **urls).await_address()
    functions_of_sample(address)
    assert set(scrape(port)) >= set(INGESTS)
    process = process_of(worker, "symbolon_server", "worker")
    process.kill()
    wait_until(has_ended(process))
    wait_until(lambda: "child_restarted" in worker.log)
    assert set(scrape(port)) >= set(INGESTS)
    assert worker.end(signal.SIGTERM) == 0
    assert worker.left_behind() == []


def test_a_worker_whose_metrics_have_no_port_does_not_start(
    start: StartProgram, redis_store_url: str, redis_cache_url: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        worker = start(
            "worker",
            store_url=redis_store_url,
            cache_url=redis_cache_url,
            metrics_listen=f"127.0.0.1:{taken.getsockname()[1]}",
        )
        assert worker.process.wait(60) == 1
    assert "cannot serve metrics on" in worker.log


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scrape(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text.splitlines()
