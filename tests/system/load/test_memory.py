"""How much memory large answers take, and for how long."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import grpc
import psutil
import pytest

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import start, wait_until
from tests.ingest.symbol_files import numbered_module
from tests.system.conftest import Site

__all__ = ["start"]  # programs with memory of their own

MEGABYTE = 1 << 20
GROWTH_BYTES = 50 * MEGABYTE
MOST_FRAMES = 200_000
NAME_BYTES = 300
SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"


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
