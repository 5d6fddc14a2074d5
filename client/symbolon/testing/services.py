"""The services of a fake server, and the canned answers that a test sets."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from symbolon._calling.calls import HEALTH_CHECK, SERVING
from symbolon._module_ids import last_part, normalise_debug_id
from symbolon.v1 import (
    module_service_pb2,
    module_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    symbolication_service_pb2_grpc,
)
from symbolon.v1.module_pb2 import Module, ModuleOutcome, ModuleResult
from symbolon.v1.stack_pb2 import Frame, FrameOutcome, SymbolicatedFrame
from symbolon.v1.symbolication_service_pb2 import (
    SymbolicateRequest,
    SymbolicateResponse,
    SymbolicateStreamResponse,
)

VERSION = "fake"

Key = tuple[str, str]
"""Debug file, and normalised debug id."""

_FRAME_OUTCOMES = {
    ModuleOutcome.MODULE_OUTCOME_FOUND: FrameOutcome.FRAME_OUTCOME_NO_SYMBOL,
    ModuleOutcome.MODULE_OUTCOME_MISSING: FrameOutcome.FRAME_OUTCOME_MODULE_MISSING,
    ModuleOutcome.MODULE_OUTCOME_UNAVAILABLE: FrameOutcome.FRAME_OUTCOME_MODULE_UNAVAILABLE,
    ModuleOutcome.MODULE_OUTCOME_MALFORMED: FrameOutcome.FRAME_OUTCOME_MODULE_MALFORMED,
    ModuleOutcome.MODULE_OUTCOME_PENDING: FrameOutcome.FRAME_OUTCOME_MODULE_PENDING,
}
"""Of frames without a canned answer."""

_MISSING = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_MISSING, detail="no supplier has it")
_NOT_REFERENCED = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_NOT_REFERENCED)


class Services(
    symbolication_service_pb2_grpc.SymbolicationServiceServicer,
    module_service_pb2_grpc.ModuleServiceServicer,
    store_service_pb2_grpc.StoreServiceServicer,
):
    """Answers all calls from canned answers. Thread-safe: a lock is held for each access."""

    def __init__(self) -> None:
        self.requests: list[SymbolicateRequest] = []
        """All requests of symbolications so far."""

        self.failures: deque[tuple[grpc.StatusCode, str]] = deque()
        """The statuses of the next calls."""

        self._lock = threading.Lock()
        self._modules: dict[Key, ModuleResult] = {}
        self._frames: dict[tuple[Key, int], SymbolicatedFrame] = {}
        self._missed: Counter[Key] = Counter()

    def put_module(self, key: Key, result: ModuleResult) -> None:
        """Set the result of a module."""
        with self._lock:
            self._modules[key] = result

    def put_frame(self, key: Key, offset: int, frame: SymbolicatedFrame) -> None:
        """Set the answer for an offset of a module, which counts as found."""
        found = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_FOUND)
        with self._lock:
            self._modules.setdefault(key, found)
            self._frames[key, offset] = frame

    def _forget(self, key: Key) -> None:
        """Remove all answers for a module."""
        with self._lock:
            self._modules.pop(key, None)
            for place in [place for place in self._frames if place[0] == key]:
                del self._frames[place]

    def _find_module(self, key: Key) -> ModuleResult:
        """Return the result of a module: missing unless one was set."""
        with self._lock:
            return self._modules.get(key, _MISSING)

    def _answer(self, request: SymbolicateRequest) -> SymbolicateResponse:
        with self._lock:
            self.requests.append(request)
        keys = [make_key(module) for module in request.modules]
        response = SymbolicateResponse()
        for stack in request.stacks:
            response.stacks.add().frames.extend(
                self._find_frame(keys, each) for each in stack.frames
            )
        named = {
            frame.module_index
            for stack in request.stacks
            for frame in stack.frames
            if frame.HasField("module_index")
        }
        for index, key in enumerate(keys):
            result = self._find_module(key) if index in named else _NOT_REFERENCED
            response.modules.append(result)
            if result.outcome == ModuleOutcome.MODULE_OUTCOME_MISSING:
                with self._lock:
                    self._missed[key] += 1
        return response

    def _find_frame(self, keys: Sequence[Key], frame: Frame) -> SymbolicatedFrame:
        """Return the answer to one frame; a return address is looked up one byte before."""
        answer = SymbolicatedFrame(module_offset=frame.module_offset)
        if not frame.HasField("module_index"):
            answer.module = "<unknown>"
            answer.outcome = FrameOutcome.FRAME_OUTCOME_NO_MODULE
            return answer
        key = keys[frame.module_index]
        outcome = self._find_module(key).outcome
        answer.module = key[0]
        answer.outcome = _FRAME_OUTCOMES[outcome]
        with self._lock:
            known = self._frames.get((key, frame.module_offset - frame.is_return_address))
        if known is not None and outcome == ModuleOutcome.MODULE_OUTCOME_FOUND:
            answer.MergeFrom(known)
        return answer

    def Symbolicate(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        return self._answer(request)

    def SymbolicateStream(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        self._fail_if_set(context)
        for request in request_iterator:
            response = self._answer(request.request)
            yield SymbolicateStreamResponse(id=request.id, response=response)

    def GetModule(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        result = self._find_module(make_key(request.module))
        response = module_service_pb2.GetModuleResponse(
            outcome=result.outcome, detail=result.detail
        )
        if result.HasField("retry_after"):
            response.retry_after.CopyFrom(result.retry_after)
        return response

    def PrefetchModules(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        results = [self._find_module(make_key(module)) for module in request.modules]
        return module_service_pb2.PrefetchModulesResponse(modules=results)

    def InvalidateModules(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        response = module_service_pb2.InvalidateModulesResponse()
        for key in map(make_key, request.modules):
            response.modules.add(previous_outcome=self._find_module(key).outcome)
            self._forget(key)
        return response

    def ListMissingModules(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        with self._lock:
            missed = self._missed.most_common()
        return module_service_pb2.ListMissingModulesResponse(
            modules=[
                module_service_pb2.MissingModule(
                    module=Module(debug_file=debug_file, debug_id=debug_id), requests=requests
                )
                for (debug_file, debug_id), requests in missed[: request.limit or None]
            ],
            total=len(missed),
        )

    def GetQueue(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        return module_service_pb2.GetQueueResponse()

    def ExplainFrame(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        key = make_key(request.module)
        frame = Frame(
            module_index=0,
            module_offset=request.module_offset,
            is_return_address=request.is_return_address,
        )
        return module_service_pb2.ExplainFrameResponse(
            frame=self._find_frame([key], frame),
            module=self._find_module(key),
            looked_up_offset=request.module_offset - request.is_return_address,
        )

    def GetStoreInfo(self, request: Any, context: Any) -> Any:
        self._fail_if_set(context)
        return store_service_pb2.GetStoreInfoResponse(server_version=VERSION)

    def check(self, request: StringValue, context: Any) -> Int32Value:
        """Answer a health check: every service is serving."""
        self._fail_if_set(context)
        return Int32Value(value=SERVING)

    def _fail_if_set(self, context: Any) -> None:
        if self.failures:
            context.abort(*self.failures.popleft())


def make_key(module: Module) -> Key:
    """Return the key of a module; its code file stands in for an empty debug file."""
    return module.debug_file or last_part(module.code_file), normalise_debug_id(module.debug_id)


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
