"""Calls whose callers are gone end quickly."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from tests.app.conftest import PATIENCE_SECONDS, StartProgram, wait_until
from tests.app.test_serve_command import ORCHARD, functions_of_sample

CALLS = 8
FRAMES = 200_000
GIVEN_UP_AFTER_SECONDS = 0.3
MOST_PROCESSOR_SECONDS = 2.0
QUIET_SECONDS = 1.0


def request_of(number: int) -> SymbolicateRequest:
    """Return frames that no other request has."""
    first = (1 << 14) + number * FRAMES
    return SymbolicateRequest(
        modules=[module_pb2.Module(debug_file="orchard", debug_id=ORCHARD)],
        stacks=[stack_of(first + np.arange(FRAMES))],
    )


def stack_of(offsets: NDArray[np.int64]) -> stack_pb2.Stack:
    """Return a frame for each offset, of 15 to 21 bits; made one by one they take seconds."""
    frame = stack_pb2.Frame(module_index=0, module_offset=1 << 14).SerializeToString()
    frames = np.tile(np.frombuffer(bytes([0x0A, len(frame)]) + frame, np.uint8), (len(offsets), 1))
    frames[:, -3:] = offsets[:, np.newaxis] >> [0, 7, 14] & 0x7F | [0x80, 0x80, 0]
    return stack_pb2.Stack.FromString(frames.tobytes())


def used_by(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def is_quiet(process: psutil.Process) -> Callable[[], bool]:
    """Return a function that checks whether a process has been idle for a while."""
    since, used = time.monotonic(), used_by(process)

    def tell() -> bool:
        nonlocal since, used
        now, used_now = time.monotonic(), used_by(process)
        if used_now - used > 0.1 * QUIET_SECONDS:
            since, used = now, used_now
        return now - since >= QUIET_SECONDS

    return tell


@pytest.mark.promise("A call whose caller has left ends at its next step", group="limits")
def test_calls_that_are_given_up_end_soon(serve: StartProgram) -> None:
    program = serve()
    address = program.await_address()
    assert functions_of_sample(address)
    process = psutil.Process(program.process.pid)
    requests = [request_of(number) for number in range(CALLS)]
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(CALLS) as callers:
        stub = SymbolicationServiceStub(channel)
        grpc.channel_ready_future(channel).result(PATIENCE_SECONDS)
        before = used_by(process)
        calls = [
            callers.submit(stub.Symbolicate, request, timeout=GIVEN_UP_AFTER_SECONDS)
            for request in requests
        ]
        for call in calls:
            with pytest.raises(grpc.RpcError):
                call.result(PATIENCE_SECONDS)
        wait_until(is_quiet(process))
    assert used_by(process) - before < MOST_PROCESSOR_SECONDS
