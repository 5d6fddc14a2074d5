"""A server with streams whose symbolicator a test controls."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from symbolon.v1 import module_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.call_limits import UnreadAnswers
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from symbolon_server.rpc.symbolicate.service import (
    Answerer,
    RequestLimits,
    SymbolicationService,
    WaitLimits,
)
from symbolon_server.rpc.symbolicate.streams import FLOW, Streams
from symbolon_server.rpc.symbolicate.waiting import WaitingRoom
from symbolon_server.symbolication.looking_up.lookup import MayWait
from symbolon_server.symbolication.memory.queries import (
    ANYBODY,
    Caller,
    Diagnostics,
    EncodedStacks,
    ModuleQuery,
    Symbolication,
)
from symbolon_server.symbolication.symbolicator import RequestFrames, Symbolicator
from symbolon_server.symbols.paging import api_frames, wire

SECONDS = 30.0
"""Timeout for every step."""

COLD, BROKEN, LARGE, LEFT = "cold.pdb", "broken.pdb", "large.pdb", "left.pdb"
LARGE_BYTES = 512 << 10

MOST_ON_THE_WAY = 32
"""Upper bound of large answers in gRPC's buffers at both ends: 16 MiB, far more than they hold."""

Request = pb.SymbolicateStreamRequest
Response = pb.SymbolicateStreamResponse


@dataclass
class Scripted(Symbolicator):
    """Answers by the debug file of the first module; cold ones wait for `ready`."""

    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    looking: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    turned_away: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: threading.Event = field(default_factory=threading.Event)
    answered: int = 0

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        frames: RequestFrames,
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
        caller: Caller = ANYBODY,
    ) -> Symbolication:
        del frames, wait_seconds, with_diagnostics
        debug_file = modules[0].debug_file if modules else ""
        if debug_file == BROKEN:
            raise RuntimeError("password=hunter2")
        if debug_file == LEFT:
            self._look_until(caller)
        if debug_file in (COLD, LEFT):
            self._wait(may_wait)
        self.answered += 1
        frame = wire.message_field(15, b"x" * LARGE_BYTES) if debug_file == LARGE else b""
        encoded = EncodedStacks(len(frame), [api_frames.stack_start(len(frame)), frame])
        return Symbolication(encoded, {}, 0, Diagnostics())

    def _look_until(self, caller: Caller) -> None:
        self.looking.release()
        pause = threading.Event()
        while not caller.is_gone():
            pause.wait(0.001)

    def _wait(self, may_wait: MayWait) -> None:
        def let_go() -> None:
            self.let_go.release()
            self.ready.set()

        with may_wait(let_go) as is_place:
            if is_place:
                self.began.release()
                assert self.ready.wait(SECONDS)
            else:
                self.turned_away.release()


@dataclass
class Site:
    """A server with streams, and a client."""

    symbolicator: Scripted
    streams: Streams
    server: RpcServer
    address: ListenAddress
    channel: grpc.Channel

    def stream(self, requests: Iterable[Request]) -> Any:
        stub = SymbolicationServiceStub(self.channel)
        return stub.SymbolicateStream(iter(requests), timeout=SECONDS)


StartSite = Callable[..., Site]


@pytest.fixture
def start_site() -> Iterator[StartSite]:
    with ExitStack() as stack:

        def start(
            *,
            max_streams: int = 4,
            threads: int = 4,
            unread: UnreadAnswers | None = None,
            idle_seconds: float = FLOW.idle_seconds,
            name_caller: NameCaller = name_of_peer,
            **options: Any,
        ) -> Site:
            symbolicator = Scripted()
            answerer = Answerer(symbolicator, RequestLimits(5, 10), WaitLimits(60.0, 0.5))
            streams = Streams(
                answerer,
                max_streams,
                threads,
                unread,
                idle_seconds=idle_seconds,
                name_caller=name_caller,
            )
            server = RpcServer(
                ServerOptions(ListenAddress("127.0.0.1", 0), 2, 8, 1 << 20, **options),
                [SymbolicationService(answerer, WaitingRoom(1), streams.handler()).add_to],
                unread,
            )
            address = server.bind()
            server.start()
            stack.callback(streams.close)
            stack.callback(server.stop, 0.0, end_streams=streams.stop)
            channel = stack.enter_context(grpc.insecure_channel(str(address)))
            return Site(symbolicator, streams, server, address, channel)

        yield start


@pytest.fixture
def site(start_site: StartSite) -> Site:
    return start_site()


class Sent(Iterator[Request]):
    """Requests that a test sends one by one; None is the end."""

    def __init__(self, *requests: Request) -> None:
        self.queue: SimpleQueue[Request | None] = SimpleQueue()
        for request in requests:
            self.queue.put(request)

    def __next__(self) -> Request:
        request = self.queue.get()
        if request is None:
            raise StopIteration
        return request


def request(name: str, debug_file: str = "hot.pdb") -> Request:
    module = module_pb2.Module(debug_file=debug_file, debug_id="0" * 33)
    return Request(id=name, request=pb.SymbolicateRequest(modules=[module]))
