"""Server reflection, v1 and v1alpha from one servicer: the two differ in name only."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Never

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.in_pool import InPool
from symbolon_server.rpc.calls.newest_calls import NewestCalls
from symbolon_server.rpc.calls.pools import Intake
from symbolon_server.rpc.calls.status import refuse_plainly

_V1 = "grpc.reflection.v1.ServerReflection"
_V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
SERVICES = (_V1, _V1ALPHA)

MAX_STREAMS: Final = 256
"""Streams at a time; for one more the oldest is ended."""

MAX_AWAITED: Final = 16
"""Streams whose next request is not there yet, at a time; see that of health."""

_NO_CONTEXT: Final[Any] = None
"""The servicer does not look at it."""

_TOO_LONG: Final = 1 << 14
_THREADS: Final = 2
"""They answer requests; a stream that waits for its next one holds none."""


class Reflection:
    """Tells clients which services there are and what their messages look like."""

    def __init__(self, services: Iterable[str], arrivals: Arrivals) -> None:
        _describe_v1()
        self._awaited = arrivals.room_for(MAX_AWAITED)
        self._servicer = reflection.ReflectionServicer((*services, *SERVICES))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="reflection")
        self._streams = NewestCalls[AcceptedCall](MAX_STREAMS)
        self._is_closed = False

    def add_to(self, server: grpc.Server) -> None:
        """Register both versions, in threads that ordinary calls never take."""
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
        """End all streams, which would otherwise hold up the server's stop."""
        self._is_closed = True
        for stream in self._streams.kept():
            stream.refuse(_refuse_stopping)

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()

    def _begin(self, stream: AcceptedCall) -> None:
        if not self._streams.add(stream, stream):
            return
        if self._is_closed:  # it is looked for after the stream is held, so that none is missed
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
        answers = self._servicer.ServerReflectionInfo(iter([request]), _NO_CONTEXT)
        stream.send(next(answers), partial(self._expect, stream))


def _read_request(data: bytes) -> reflection_pb2.ServerReflectionRequest:
    """Return a request; by gRPC's serving thread, so of a long one nothing is asked."""
    return reflection_pb2.ServerReflectionRequest.FromString(data if len(data) < _TOO_LONG else b"")


def _refuse_stopping(_request: object, context: grpc.ServicerContext) -> Never:
    refuse_plainly(context, grpc.StatusCode.UNAVAILABLE, "the server is stopping")


def _describe_v1() -> None:
    """Make v1's own description out of v1alpha's, which is all that the package brings.

    Clients that list services ask for the description of each, and give up without it.
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
