"""A module service with scripted answers, and its server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from symbolon.v1 import module_service_pb2_grpc
from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.serving.server import RpcServer

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


Serve = Callable[..., Serving]


def answer(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
    return GetModuleResponse(detail="fine")


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
