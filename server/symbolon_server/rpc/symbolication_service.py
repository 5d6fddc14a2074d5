"""The SymbolicationService: stacks in, functions and lines out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon_server.rpc.counting import count_symbolication
from symbolon_server.rpc.decoding import InvalidModuleError, ModuleDecoder
from symbolon_server.rpc.encoding import encode_symbolication
from symbolon_server.rpc.raw_request import RawRequest, decode_request
from symbolon_server.rpc.status import FieldViolation, refuse_invalid, refuse_unimplemented
from symbolon_server.rpc.validation import (
    RequestLimits,
    find_broken_rules,
    find_exceeded_limits,
    find_wait_violations,
)
from symbolon_server.symbolication.lookup import MayWait
from symbolon_server.symbolication.queries import InvalidFrameError, ModuleQuery, Symbolication

_ROUNDED_UP_BY = 0.01
"""Clients send the time to their deadline rounded up, by as much as a hundredth (C-core sends
10.01 s as 10.1 s), and give up when the exact time is over."""

_UNREADABLE = FieldViolation("request", "is no symbolon.v1.SymbolicateRequest")

SERVICE = pb.DESCRIPTOR.services_by_name["SymbolicationService"].full_name


class Symbolicator(Protocol):
    """What answers requests."""

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[bytes]],
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
    ) -> Symbolication:
        """Return what is known of each frame of `stacks` after at most `wait_seconds`.

        Frames are encoded; raises `InvalidFrameError` where one is none, or names no module.
        """


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a call may wait for modules that are not ready."""

    max_wait_seconds: float
    deadline_margin_seconds: float
    """How long before its deadline a call is answered with what is known."""

    def wait_seconds(self, request: RawRequest, remaining_seconds: float | None) -> float:
        """Return how long this request may wait; 0 is not at all.

        `remaining_seconds` is the time to its deadline. gRPC tells a huge one when there is
        no deadline, grpcio-testing tells `None`.
        """
        wait = self.max_wait_seconds
        if request.HasField("max_wait"):
            wait = min(wait, request.max_wait.ToNanoseconds() / 1e9)
        if remaining_seconds is not None:
            exact_seconds = remaining_seconds * (1 - _ROUNDED_UP_BY)
            wait = min(wait, exact_seconds - self.deadline_margin_seconds)
        return max(0.0, wait)


class SymbolicationService:
    """Answers with bytes: the answer is joined from encoded parts, not built of messages."""

    def __init__(
        self,
        symbolicator: Symbolicator,
        request_limits: RequestLimits,
        wait_limits: WaitLimits,
        may_wait: MayWait,
    ) -> None:
        self._symbolicator = symbolicator
        self._request_limits = request_limits
        self._wait_limits = wait_limits
        self._may_wait = may_wait
        self._modules = ModuleDecoder()

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name.

        By hand, because generated code would parse every frame, and serialize the answer once
        more.
        """
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Symbolicate": grpc.unary_unary_rpc_method_handler(self.Symbolicate),
            "SymbolicateStream": grpc.stream_stream_rpc_method_handler(
                self.SymbolicateStream,
                request_deserializer=pb.SymbolicateStreamRequest.FromString,
                response_serializer=pb.SymbolicateStreamResponse.SerializeToString,
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)
        return SERVICE

    def Symbolicate(  # noqa: N802 # the name in the .proto file
        self, data: bytes, context: grpc.ServicerContext
    ) -> bytes:
        """Return the encoded `SymbolicateResponse` to an encoded `SymbolicateRequest`."""
        request = self._read(data, context)
        try:
            answer = self._symbolicator.symbolicate(
                self._modules.decode(request),
                [list(stack.frames) for stack in request.stacks],
                self._wait_limits.wait_seconds(request, context.time_remaining()),
                self._may_wait,
                with_diagnostics=request.with_diagnostics,
            )
        except (InvalidModuleError, InvalidFrameError):
            refuse_invalid(context, find_broken_rules(request))
        count_symbolication(answer)
        return encode_symbolication(answer, with_diagnostics=request.with_diagnostics)

    def _read(self, data: bytes, context: grpc.ServicerContext) -> RawRequest:
        """Return the request, its limits and its wait checked; modules and frames are not yet."""
        try:
            request = decode_request(data)
        except DecodeError:
            refuse_invalid(context, [_UNREADABLE])
        violations = find_exceeded_limits(request, self._request_limits)
        violations = violations or find_wait_violations(request)
        if violations:
            refuse_invalid(context, violations)
        return request

    def SymbolicateStream(  # noqa: N802 # the name in the .proto file
        self,
        request_iterator: Iterator[pb.SymbolicateStreamRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[pb.SymbolicateStreamResponse]:
        """Refuse: this server offers no streams."""
        del request_iterator
        refuse_unimplemented(context, "SymbolicateStream")
