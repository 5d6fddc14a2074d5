"""How much memory large symbol files and large answers take, and for how long."""

import ctypes
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc
import psutil
import pytest

from symbolon import Client
from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program, wait_until
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions
from tests.system.load.real_files import files_folder, first_function, needs_files, real_module

MEGABYTE = 1 << 20
WORKER_BYTES = 600 * MEGABYTE
LEAST_BYTES = 150 * MEGABYTE
GROWTH_BYTES = 50 * MEGABYTE
MOST_FRAMES = 200_000
NAME_BYTES = 300
SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"


def peak_bytes(worker: Program, module_id: ModuleId) -> int:
    """Return the most memory that the fork which ingested a module had resident, from the log.

    What the kernel says of the worker itself would begin with the size of these tests, which
    started it.
    """
    (ended,) = [
        line
        for line in worker.log.splitlines()
        if "ingest_ended" in line and f"module={module_id}" in line
    ]
    return int(ended.split("peak_mb=")[1].split()[0]) * 1_000_000


@needs_files
@pytest.mark.timeout(300)
def test_a_symbol_file_of_119_mb_fits_into_600_mb_and_leaves_the_server_alone(site: Site) -> None:
    small = numbered_module(1)
    site.supplier.put(small, symbol_file(small, 1000))
    large = real_module("ceph-mon")
    offset, function = first_function(large)
    path = site.supplier.folder / large.debug_file
    path.symlink_to(files_folder() / large.debug_file)
    worker = site.work()
    server = site.serve(max_wait_seconds="300")
    with Client(server.await_address(), timeout=300) as client:
        assert functions(ask(client, [(small, 0)])) == ["function_0"]
        before = psutil.Process(server.process.pid).memory_info().rss
        assert functions(ask(client, [(large, offset)])) == [function]
        grown = psutil.Process(server.process.pid).memory_info().rss - before
    assert worker.end(signal.SIGTERM) == 0
    peak = peak_bytes(worker, large)
    assert peak < WORKER_BYTES
    assert peak > LEAST_BYTES, "this is not the fork that read the file"
    assert grown < GROWTH_BYTES


def request_of(module_id: ModuleId, frames: int) -> bytes:
    """Return a request for one frame, asked so many times."""
    frame = stack_pb2.Frame(module_index=0, module_offset=1)
    module = module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)
    stack = stack_pb2.Stack(frames=[frame] * frames)
    return SymbolicateRequest(modules=[module], stacks=[stack]).SerializeToString()


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is another one than glibc"
)
def test_memory_that_large_answers_took_is_given_back(site: Site) -> None:
    module_id = numbered_module(1)
    head = f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}\n"
    site.supplier.put(module_id, f"{head}FUNC 0 1000 0 {'x' * NAME_BYTES}\n".encode())
    site.work()
    server = site.serve(max_unread_bytes="1GiB")  # one caller has all answers
    resident = psutil.Process(server.process.pid).memory_info
    with grpc.insecure_channel(
        server.await_address(), [("grpc.max_receive_message_length", -1)]
    ) as channel:
        symbolicate: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SYMBOLICATE)
        symbolicate(request_of(module_id, 1))
        before = resident().rss
        request = request_of(module_id, MOST_FRAMES)
        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(symbolicate, [request] * 4))
        assert all(len(answer) > GROWTH_BYTES for answer in answers)
    # The heap keeps 32 MiB for the next call.
    wait_until(lambda: resident().rss < before + GROWTH_BYTES)
