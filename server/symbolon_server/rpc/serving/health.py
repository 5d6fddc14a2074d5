"""grpc.health.v1: whether the server, and each of its services, is serving.

The servicer of `grpc_health` is not used. Its callbacks deadlock when a Watch client leaves
during a change, its threads never end when a client left before Watch began, its pool belongs to
the class instead of the server, and Check waits in the queue of ordinary calls.

No call here holds a thread: callers need no token, so any number of them could hold all threads.
"""

import threading
from collections.abc import Iterable
from functools import partial
from typing import Final, Never

import grpc
from grpc_health.v1 import health_pb2

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall, InPool, Intake
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.status import refuse_plainly
from symbolon_server.telemetry.lasting_threads import Vitals

OVERALL = ""
"""The service name that stands for the whole server."""

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

MAX_WATCHES: Final = 1_024
"""Clients that may watch at a time; one more ends the oldest watch."""

_TOO_LONG: Final = 1 << 10
"""Bytes of a request that cannot name any real service."""

_UNKNOWN_NAME: Final = health_pb2.HealthCheckRequest(service="?").SerializeToString()

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class _Watch:
    """A client that watches a service, and the status to send to it next."""

    def __init__(self, call: AcceptedCall, service: str) -> None:
        self.call = call
        self.service = service
        self._lock = threading.Lock()
        self._status: int | None = None
        self._sent: int | None = None
        self._is_sending = False
        self._is_last = False

    def update(self, status: int, *, is_last: bool = False) -> None:
        """Send a status once the previous one has been sent; end the call after the last."""
        with self._lock:
            self._status, self._is_last = status, is_last
        self._send_next()

    def _send_next(self) -> None:
        with self._lock:
            if self._is_sending:
                return
            status = self._status
            self._is_sending = status != self._sent
            self._sent = status
            is_over = self._is_last and not self._is_sending
        if is_over:
            self.call.end()
        elif self._is_sending:
            self.call.send(health_pb2.HealthCheckResponse(status=status), self._note_sent)

    def _note_sent(self) -> None:
        with self._lock:
            self._is_sending = False
        self._send_next()


class Health:
    """The health of a server: SERVING from `open` until `close`.

    In between it is NOT_SERVING while a thread that every server needs cannot go on.
    """

    def __init__(
        self, services: Iterable[str], arrivals: Arrivals, vitals: Vitals | None = None
    ) -> None:
        self._arrivals = arrivals
        self._vitals = vitals or Vitals()
        self._vitals.listen(self._update)
        self._lock = threading.Lock()
        self._status: dict[str, int] = dict.fromkeys((OVERALL, *services), _NOT_SERVING)
        self._is_open = self._is_closed = False
        self._watches: dict[AcceptedCall, _Watch] = {}

    def add_to(self, server: grpc.Server) -> None:
        """Register the service, which gRPC's serving thread answers itself."""
        codecs = (
            _read_request,
            health_pb2.HealthCheckResponse.SerializeToString,
        )
        checks = Intake(partial(self._arrivals.expect, begin=AcceptedCall.answer))
        watches = Intake(partial(self._arrivals.expect, begin=self._watch))
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(InPool(self.check, checks), *codecs),
            "Watch": grpc.unary_stream_rpc_method_handler(InPool(_refuse, watches), *codecs),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def open(self) -> None:
        """Report SERVING from now on."""
        self._is_open = True
        self._update()

    def close(self) -> None:
        """Report NOT_SERVING from now on; it is the last status of every watch."""
        self._is_closed = True
        self._update()

    def check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of one service, or end the call with NOT_FOUND."""
        status = self._status.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    def _watch(self, call: AcceptedCall, request: health_pb2.HealthCheckRequest) -> None:
        """Send the status of one service now and whenever it changes."""
        if not call.when_over(partial(self._forget, call)):
            return
        watch = _Watch(call, request.service)
        with self._lock:
            oldest = self._find_oldest()
            self._watches[call] = watch
            status = self._status.get(request.service, _UNKNOWN)
            is_closed = self._is_closed
        watch.update(status, is_last=is_closed)
        if oldest is not None:
            oldest.refuse(_refuse)

    def _find_oldest(self) -> AcceptedCall | None:
        """Return the oldest watch if there is no room for another."""
        return next(iter(self._watches)) if len(self._watches) >= MAX_WATCHES else None

    def _forget(self, call: AcceptedCall) -> None:
        with self._lock:
            self._watches.pop(call, None)

    def _update(self) -> None:
        """Update the status and send it to all watches."""
        with self._lock:
            is_serving = self._is_open and not self._is_closed and self._vitals.are_sound()
            status = _SERVING if is_serving else _NOT_SERVING
            self._status = dict.fromkeys(self._status, status)
            watches = list(self._watches.values())
        for watch in watches:
            watch.update(self._status.get(watch.service, _UNKNOWN), is_last=self._is_closed)


def _read_request(data: bytes) -> health_pb2.HealthCheckRequest:
    """Decode a request; on gRPC's serving thread, so a long one is not decoded."""
    return health_pb2.HealthCheckRequest.FromString(
        data if len(data) < _TOO_LONG else _UNKNOWN_NAME
    )


def _refuse(_request: object, context: grpc.ServicerContext) -> Never:
    message = f"more than {MAX_WATCHES} clients watch"
    refuse_plainly(context, grpc.StatusCode.RESOURCE_EXHAUSTED, message)
