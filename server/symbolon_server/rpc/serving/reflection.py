"""Server reflection: v1 and v1alpha from one servicer, as they differ in name only."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Final, Never

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall, InPool, Intake
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.call_limits import NewestCalls
from symbolon_server.rpc.calls.status import refuse_plainly

_V1 = "grpc.reflection.v1.ServerReflection"
_V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
SERVICES = (_V1, _V1ALPHA)

MAX_STREAMS: Final = 256
"""Streams at a time; one more ends the oldest."""

MAX_AWAITED: Final = 16
"""Streams whose next request has not arrived yet; see the limit of health checks."""

_NO_CONTEXT: Final[Any] = None
"""The servicer does not use it."""

_TOO_LONG: Final = 1 << 14
_THREADS: Final = 2
"""They answer requests; a stream that waits for its next request holds none."""


class Reflection:
    """Describes the services and their messages to clients."""

    def __init__(self, services: Iterable[str], arrivals: Arrivals) -> None:
        self._awaited = arrivals.room_for(MAX_AWAITED)
        self._servicer = reflection.ReflectionServicer((*services, *SERVICES))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reflection")
        self._streams = NewestCalls[AcceptedCall](MAX_STREAMS)
        self._is_closed = False

    def add_to(self, server: grpc.Server) -> None:
        """Register both versions, with threads that ordinary calls do not use."""
        handlers = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                InPool(_refuse_stopping, Intake(self._begin)),
                _read_request,
                reflection_pb2.ServerReflectionResponse.SerializeToString,
            )
        }
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, handlers) for service in SERVICES]
        )

    def close(self) -> None:
        """End all streams, which would otherwise delay the server's stop."""
        self._is_closed = True
        for stream in self._streams.values():
            stream.refuse(_refuse_stopping)

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()

    def _begin(self, stream: AcceptedCall) -> None:
        if not self._streams.add(stream, stream):
            return
        if self._is_closed:  # checked after adding the stream, so that none is missed
            stream.refuse(_refuse_stopping)
        else:
            self._expect(stream)

    def _expect(self, stream: AcceptedCall) -> None:
        """Wait for the next request of a stream, without a thread."""
        self._awaited.expect(stream, self._take, AcceptedCall.end)

    def _take(self, stream: AcceptedCall, request: reflection_pb2.ServerReflectionRequest) -> None:
        self._threads.submit(self._answer, stream, request)

    def _answer(
        self, stream: AcceptedCall, request: reflection_pb2.ServerReflectionRequest
    ) -> None:
        _describe_v1()
        answers = self._servicer.ServerReflectionInfo(iter([request]), _NO_CONTEXT)
        stream.send(next(answers), partial(self._expect, stream))


def _read_request(data: bytes) -> reflection_pb2.ServerReflectionRequest:
    """Decode a request; on gRPC's serving thread, so a long one is not decoded."""
    return reflection_pb2.ServerReflectionRequest.FromString(data if len(data) < _TOO_LONG else b"")


def _refuse_stopping(_request: object, context: grpc.ServicerContext) -> Never:
    refuse_plainly(context, grpc.StatusCode.UNAVAILABLE, "the server is stopping")


@cache
def _describe_v1() -> None:
    """Derive the description of v1 from v1alpha's, the only one in the package.

    Not at the start, which it would make 10 ms longer.
    Clients that list services request the description of each, and fail if one is missing.
    """
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(_V1)
    except KeyError:
        v1alpha = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
        text = text_format.MessageToString(v1alpha).replace("v1alpha", "v1")
        v1 = text_format.Parse(text, FileDescriptorProto())
        pool.AddSerializedFile(v1.SerializeToString())
