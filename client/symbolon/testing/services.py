"""The services of a fake server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from symbolon._calling.calls import HEALTH_CHECK, SERVING
from symbolon.testing.known import Known, make_key
from symbolon.v1 import (
    module_service_pb2,
    module_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    symbolication_service_pb2,
    symbolication_service_pb2_grpc,
)
from symbolon.v1.module_pb2 import Module
from symbolon.v1.stack_pb2 import Frame

VERSION = "fake"


class Services(
    symbolication_service_pb2_grpc.SymbolicationServiceServicer,
    module_service_pb2_grpc.ModuleServiceServicer,
    store_service_pb2_grpc.StoreServiceServicer,
):
    """Answers all calls from the canned answers; records requests from any thread."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.requests: list[symbolication_service_pb2.SymbolicateRequest] = []
        self.failures: deque[tuple[grpc.StatusCode, str]] = deque()
        """The statuses of the next calls."""

    def Symbolicate(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        self.requests.append(request)
        return self._known.answer(request)

    def SymbolicateStream(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # noqa: D102, N802
        self._fail_if_set(context)
        for request in request_iterator:
            self.requests.append(request.request)
            yield symbolication_service_pb2.SymbolicateStreamResponse(
                id=request.id, response=self._known.answer(request.request)
            )

    def GetModule(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        result = self._known.find_module(make_key(request.module))
        response = module_service_pb2.GetModuleResponse(
            outcome=result.outcome, detail=result.detail
        )
        if result.HasField("retry_after"):
            response.retry_after.CopyFrom(result.retry_after)
        return response

    def PrefetchModules(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        results = [self._known.find_module(make_key(module)) for module in request.modules]
        return module_service_pb2.PrefetchModulesResponse(modules=results)

    def InvalidateModules(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        response = module_service_pb2.InvalidateModulesResponse()
        for key in map(make_key, request.modules):
            response.modules.add(previous_outcome=self._known.find_module(key).outcome)
            self._known.forget(key)
        return response

    def ListMissingModules(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        missed = self._known.list_missed()
        return module_service_pb2.ListMissingModulesResponse(
            modules=[
                module_service_pb2.MissingModule(
                    module=Module(debug_file=debug_file, debug_id=debug_id), requests=requests
                )
                for (debug_file, debug_id), requests in missed[: request.limit or None]
            ],
            total=len(missed),
        )

    def GetQueue(self, request: Any, context: Any) -> Any:  # noqa: ARG002, D102, N802
        self._fail_if_set(context)
        return module_service_pb2.GetQueueResponse()

    def ExplainFrame(self, request: Any, context: Any) -> Any:  # noqa: D102, N802
        self._fail_if_set(context)
        key = make_key(request.module)
        frame = Frame(
            module_index=0,
            module_offset=request.module_offset,
            is_return_address=request.is_return_address,
        )
        return module_service_pb2.ExplainFrameResponse(
            frame=self._known.find_frame([key], frame),
            module=self._known.find_module(key),
            looked_up_offset=request.module_offset - request.is_return_address,
        )

    def GetStoreInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, D102, N802
        self._fail_if_set(context)
        return store_service_pb2.GetStoreInfoResponse(server_version=VERSION)

    def check(self, request: StringValue, context: Any) -> Int32Value:  # noqa: ARG002
        """Answer a health check: every service is serving."""
        self._fail_if_set(context)
        return Int32Value(value=SERVING)

    def _fail_if_set(self, context: Any) -> None:
        if self.failures:
            context.abort(*self.failures.popleft())


def add_services(services: Services, server: grpc.Server) -> None:
    """Add the services and the health check to a server."""
    symbolication_service_pb2_grpc.add_SymbolicationServiceServicer_to_server(services, server)
    module_service_pb2_grpc.add_ModuleServiceServicer_to_server(services, server)
    store_service_pb2_grpc.add_StoreServiceServicer_to_server(services, server)
    service, _, method = HEALTH_CHECK.removeprefix("/").partition("/")
    check = grpc.unary_unary_rpc_method_handler(
        services.check, StringValue.FromString, Int32Value.SerializeToString
    )
    methods = {method: check}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
