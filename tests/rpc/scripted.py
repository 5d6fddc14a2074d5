"""A module service with scripted answers, and its server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from symbolon.v1 import module_service_pb2_grpc
from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.call_limits import UnreadAnswers
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from symbolon_server.telemetry.lasting_threads import Vitals
from symbolon_server.telemetry.metrics import REGISTRY

MODULE_SERVICE = "symbolon.v1.ModuleService"
GetModule = Callable[[GetModuleRequest, grpc.ServicerContext], GetModuleResponse]


class ScriptedModuleService(module_service_pb2_grpc.ModuleServiceServicer):
    """Answers GetModule with a function of the test."""

    def __init__(self, get_module: GetModule) -> None:
        self._get_module = get_module

    def GetModule(  # noqa: N802 # the name in the .proto file
        self, request: GetModuleRequest, context: grpc.ServicerContext
    ) -> GetModuleResponse:
        return self._get_module(request, context)

    def add_to(self, server: grpc.Server) -> str:
        module_service_pb2_grpc.add_ModuleServiceServicer_to_server(self, server)
        return MODULE_SERVICE


class Serving:
    """A server under test and a channel to it."""

    def __init__(self, server: RpcServer, address: ListenAddress, channel: grpc.Channel) -> None:
        self.server = server
        self.address = address
        self.channel = channel
        self.modules = module_service_pb2_grpc.ModuleServiceStub(channel)


@contextmanager
def started(
    get_module: GetModule,
    host: str = "127.0.0.1",
    *,
    threads: int = 4,
    max_calls: int = 8,
    unread: UnreadAnswers | None = None,
    vitals: Vitals | None = None,
    **more: Any,
) -> Iterator[tuple[RpcServer, ListenAddress]]:
    """Run a server with this GetModule, and `more` options, on a free port."""
    options = ServerOptions(ListenAddress(host, 0), threads, max_calls, 1 << 20, **more)
    service = ScriptedModuleService(get_module)
    server = RpcServer(options, [service.add_to], unread, vitals=vitals)
    address = server.bind()
    server.start()
    try:
        yield server, address
    finally:
        server.stop(0.0)


Serve = Callable[..., Serving]


def answer(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
    return GetModuleResponse(detail="fine")


def count_of(metric: str, **labels: str) -> float:
    """Return the value of a metric, 0 if it has none yet."""
    return REGISTRY.get_sample_value(metric, labels) or 0.0


class Gate:
    """Holds calls until it is opened, and counts those that have arrived."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(
        self, request: GetModuleRequest, context: grpc.ServicerContext
    ) -> GetModuleResponse:
        self.arrived.release()
        assert self.opened.wait(30)
        return answer(request, context)

    @contextmanager
    def holding(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.opened.set()
