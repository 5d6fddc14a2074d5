"""Small requests that would decode into huge objects are refused before they are decoded."""

import gzip
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from symbolon_server.app.process.heap import find_in_libc
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.operators.methods import add_methods
from symbolon_server.rpc.operators.module_service import ModuleService, ModuleTools
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from symbolon_server.rpc.symbolicate.service import (
    Answerer,
    RequestLimits,
    SymbolicationService,
    WaitLimits,
)
from symbolon_server.rpc.symbolicate.streams import Streams
from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom
from symbolon_server.symbols.paging import wire
from tests.fixtures.http2_peer import Http2Peer, framed, http2_peer
from tests.rpc.symbolicate.stream_site import Scripted

MESSAGE_BYTES = 16 << 20
FEWEST_ROUNDS, MOST_ROUNDS = 3, 20
INVALID_ARGUMENT = str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"
PREFETCH = "/symbolon.v1.ModuleService/PrefetchModules"
IGNORE = "/test.Ignoring/Ignore"
EMPTY = wire.message_field(1, b"")
"""A frame of a stack, or a module of a request."""


def one_stack(frames: int) -> bytes:
    return wire.message_field(2, EMPTY * frames)


BOMBS = {
    "frames": (SYMBOLICATE, one_stack(MESSAGE_BYTES // 2 - 8)),
    "stacks": (SYMBOLICATE, wire.message_field(2, b"") * (MESSAGE_BYTES // 2)),
    "stacks with a frame": (SYMBOLICATE, one_stack(1) * (MESSAGE_BYTES // 4)),
    "modules": (SYMBOLICATE, EMPTY * (MESSAGE_BYTES // 2)),
    "unknown fields": (SYMBOLICATE, wire.message_field(15, b"") * (MESSAGE_BYTES // 2)),
    "modules to prefetch": (PREFETCH, EMPTY * (MESSAGE_BYTES // 2)),
}


NOTHING: Any = object()
"""Not used: every request is refused before."""

NO_TOOLS = ModuleTools(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)


def describe_ignoring() -> None:
    """Add the descriptor of the service that ignores its messages."""
    file = FileDescriptorProto(name="test/ignoring.proto", package="test")
    file.message_type.add(name="Anything")
    service = file.service.add(name="Ignoring")
    service.method.add(name="Ignore", input_type=".test.Anything", output_type=".test.Anything")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


@contextmanager
def serving() -> Iterator[ListenAddress]:
    answerer = Answerer(Scripted(), RequestLimits(5_000, 200_000), WaitLimits(60.0, 0.5))
    streams = Streams(answerer, 4, 4)

    describe_ignoring()

    def add_ignoring(server: grpc.Server) -> str:
        handler: Any = grpc.unary_unary_rpc_method_handler(lambda _data, _context: b"")
        add_methods(server, "test.Ignoring", {"Ignore": handler})
        return "test.Ignoring"

    server = RpcServer(
        ServerOptions(ListenAddress("127.0.0.1", 0), 4, 8, MESSAGE_BYTES),
        [
            SymbolicationService(answerer, WaitingRoom(1), streams.handler()).add_to,
            ModuleService(NO_TOOLS, 5_000).add_to,
            add_ignoring,
        ],
    )
    address = server.bind()
    server.start()
    try:
        yield address
    finally:
        server.stop(0.0, end_streams=streams.stop)
        streams.close()


@pytest.fixture(scope="module")
def peer() -> Iterator[Http2Peer]:
    with serving() as address, http2_peer(address) as opened:
        yield opened


def send(peer: Http2Peer, method: str, packed: bytes) -> dict[str, str]:
    """Send a compressed message, and return how the call ended."""
    stream = peer.begin(method, (("grpc-encoding", "gzip"),))
    peer.send(stream, framed(packed, is_compressed=True))
    return peer.wait_for_end(stream)


def processor_seconds(send_one: Callable[[], object]) -> float:
    """Return the CPU time of one call, including the server's threads."""
    start = process_time()
    send_one()
    return process_time() - start


def memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if name in line)


@pytest.mark.promise("Refusing a compressed bomb takes bounded time and memory", group="limits")
@pytest.mark.parametrize("bomb", BOMBS)
def test_refusing_a_bomb_costs_no_more_than_twice_what_ignoring_it_does(
    peer: Http2Peer, bomb: str
) -> None:
    method, message = BOMBS[bomb]
    packed = gzip.compress(message)
    assert send(peer, method, packed)["grpc-status"] == INVALID_ARGUMENT
    refused = ignored = math.inf
    for number in range(
        1, MOST_ROUNDS + 1
    ):  # the fastest of each counts: other programs use the machine
        refused = min(refused, processor_seconds(lambda: send(peer, method, packed)))
        ignored = min(ignored, processor_seconds(lambda: send(peer, IGNORE, packed)))
        if number >= FEWEST_ROUNDS and refused <= 2 * ignored:
            return
    pytest.fail(f"refusing takes {refused:.3f} s, ignoring {ignored:.3f} s")


@pytest.mark.promise("Refusing a compressed bomb takes bounded time and memory")
@pytest.mark.parametrize("bomb", BOMBS)
def test_refusing_a_bomb_takes_no_more_memory_than_four_times_its_size(
    peer: Http2Peer, bomb: str
) -> None:
    method, message = BOMBS[bomb]
    packed, size = gzip.compress(message), len(message)
    del message
    trim = find_in_libc("malloc_trim")
    assert trim is not None
    trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # begin a new peak
    before = memory("VmRSS")
    assert send(peer, method, packed)["grpc-status"] == INVALID_ARGUMENT
    assert memory("VmHWM") - before <= 4 * size


@pytest.mark.promise("Refusing a compressed bomb takes bounded time and memory")
def test_a_bomb_in_a_stream_is_answered_with_its_error(peer: Http2Peer) -> None:
    stream = peer.begin(f"{SYMBOLICATE}Stream", (("grpc-encoding", "gzip"),))
    bomb = wire.message_field(2, one_stack(MESSAGE_BYTES // 2 - 64))
    peer.send(stream, framed(gzip.compress(bomb), is_compressed=True))
    assert peer.wait_for_end(stream)["grpc-status"] == "0"
    assert b"has 200192 or more entries, the limit is 200000" in peer.received[stream]
