"""Server reflection, v1 and v1alpha from one servicer: the two differ in name only."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

from symbolon_server.rpc.pools import InPool

_V1 = "grpc.reflection.v1.ServerReflection"
_V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
SERVICES = (_V1, _V1ALPHA)

_MAX_STREAMS = 64
"""Clients at a time; interactive ones keep their stream open as long as they run."""


class Reflection:
    """Tells clients which services there are and what their messages look like."""

    def __init__(self, services: Iterable[str]) -> None:
        _describe_v1()
        self._servicer = reflection.ReflectionServicer((*services, *SERVICES))
        self._threads = ThreadPoolExecutor(_MAX_STREAMS, thread_name_prefix="reflection")
        self._lock = threading.Lock()
        self._streams: set[grpc.ServicerContext] = set()
        self._is_closed = False

    def add_to(self, server: grpc.Server) -> None:
        """Register both versions, in threads that ordinary calls never take."""
        handlers = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                InPool(self._answer, self._threads),
                reflection_pb2.ServerReflectionRequest.FromString,
                reflection_pb2.ServerReflectionResponse.SerializeToString,
            )
        }
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, handlers) for service in SERVICES]
        )

    def close(self) -> None:
        """End all streams, which would otherwise hold up the server's stop."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()

    def _answer(
        self,
        requests: Iterator[reflection_pb2.ServerReflectionRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[reflection_pb2.ServerReflectionResponse]:
        with self._lock:
            if self._is_closed:
                context.cancel()
            self._streams.add(context)
        try:
            yield from self._servicer.ServerReflectionInfo(requests, context)
        finally:
            with self._lock:
                self._streams.discard(context)


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
