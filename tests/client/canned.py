"""A real gRPC server with answers that each test chooses."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from symbolon.v1 import (
    module_service_pb2_grpc,
    store_service_pb2_grpc,
    symbolication_service_pb2_grpc,
)

Answer = Callable[[Any, grpc.ServicerContext], Any]
"""Makes the response to a request, or aborts the call."""


@dataclass
class CannedServer:
    """Answers each call with the next of its answers, and repeats the last."""

    target: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    seconds_allowed: list[float] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    """The authorization header of each call."""

    request_ids: list[str | None] = field(default_factory=list)

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        said = {key: str(value) for key, value in context.invocation_metadata()}
        self.request_ids.append(said.get("x-request-id"))
        self.authorizations.append(said.get("authorization", ""))
        self.seconds_allowed.append(context.time_remaining())
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return answer(request, context)


class CannedSymbolication(symbolication_service_pb2_grpc.SymbolicationServiceServicer):
    def __init__(self, canned: CannedServer) -> None:
        self.Symbolicate = canned.answer  # type: ignore[method-assign]  # one for all calls


class CannedModules(module_service_pb2_grpc.ModuleServiceServicer):
    def __init__(self, canned: CannedServer) -> None:
        self.GetModule = canned.answer  # type: ignore[method-assign]  # one for all calls
        self.ExplainFrame = canned.answer  # type: ignore[method-assign]  # one for all calls
        self.PrefetchModules = canned.answer  # type: ignore[method-assign]
        self.InvalidateModules = canned.answer  # type: ignore[method-assign]
        self.ListMissingModules = canned.answer  # type: ignore[method-assign]
        self.GetQueue = canned.answer  # type: ignore[method-assign]
        self.ExplainFrame = canned.answer  # type: ignore[method-assign]


class CannedStores(store_service_pb2_grpc.StoreServiceServicer):
    def __init__(self, canned: CannedServer) -> None:
        self.GetStoreInfo = canned.answer  # type: ignore[method-assign]  # one for all calls


@contextmanager
def start_canned_server(
    host: str = "127.0.0.1", credentials: grpc.ServerCredentials | None = None
) -> Iterator[CannedServer]:
    """A running server; set its answers."""
    canned = CannedServer()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    symbolication_service_pb2_grpc.add_SymbolicationServiceServicer_to_server(
        CannedSymbolication(canned), server
    )
    module_service_pb2_grpc.add_ModuleServiceServicer_to_server(CannedModules(canned), server)
    store_service_pb2_grpc.add_StoreServiceServicer_to_server(CannedStores(canned), server)
    if credentials is None:
        port = server.add_insecure_port(f"{host}:0")
    else:
        port = server.add_secure_port(f"{host}:0", credentials)
    canned.target = f"{host}:{port}"
    server.start()
    yield canned
    server.stop(grace=None).wait()
