"""grpc.health.v1: whether the server, and each of its services, takes calls.

The stock servicer is not used. Its callbacks deadlock when a Watch client leaves during a
change, its threads stay for ever when a client left before Watch began, its pool belongs
to the class instead of the server, and Check waits in the queue of ordinary calls.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon_server.rpc.pools import InPool

OVERALL = ""
"""The service name that stands for the whole server."""

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_CHECK_THREADS = 2
_MAX_WATCHES = 256
"""Clients that watch at a time; each holds a thread of a pool of its own."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):
    """The health of a server: not serving until `open`, and never again after `close`."""

    def __init__(self, services: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._status: dict[str, int] = dict.fromkeys((OVERALL, *services), _NOT_SERVING)
        self._is_closed = False
        self._checks = ThreadPoolExecutor(_CHECK_THREADS, thread_name_prefix="health")
        self._watches = ThreadPoolExecutor(_MAX_WATCHES, thread_name_prefix="watch")

    def add_to(self, server: grpc.Server) -> None:
        """Register the service, in threads that ordinary calls never take."""
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(
                InPool(self.Check, self._checks),
                health_pb2.HealthCheckRequest.FromString,
                health_pb2.HealthCheckResponse.SerializeToString,
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                InPool(self.Watch, self._watches),
                health_pb2.HealthCheckRequest.FromString,
                health_pb2.HealthCheckResponse.SerializeToString,
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def open(self) -> None:
        """Say from now on that every service takes calls."""
        self._set_all(_SERVING)

    def close(self) -> None:
        """Say from now on that no service does; watching clients are told, then let go."""
        self._is_closed = True
        self._set_all(_NOT_SERVING)

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._checks.shutdown()
        self._watches.shutdown()

    def Check(  # noqa: N802 # the name in the .proto file
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of one service; NOT_FOUND when there is none of that name."""
        status = self._status.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    def Watch(  # noqa: N802 # the name in the .proto file
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """Yield the status of one service now and whenever it changes."""
        if not context.add_callback(self._wake):
            return
        told = None
        while context.is_active():
            with self._changed:
                status = self._status.get(request.service, _UNKNOWN)
                if status == told and self._is_closed:
                    return
                if status == told:
                    self._changed.wait()
                    continue
            told = status
            yield health_pb2.HealthCheckResponse(status=status)

    def _set_all(self, status: int) -> None:
        with self._changed:
            self._status = dict.fromkeys(self._status, status)
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
