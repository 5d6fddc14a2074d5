"""grpc.health.v1: whether the server, and each of its services, is serving.

The servicer of `grpc_health` is not used. Its callbacks deadlock when a Watch client leaves
during a change, its threads never end when a client left before Watch began, its pool belongs to
the class instead of the server, and Check waits in the queue of ordinary calls.

No call here holds a thread: callers need no token, so any number of them could hold all threads.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Never

import grpc
from grpc_health.v1 import health_pb2

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall, InPool, Intake
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.call_limits import NewestCalls
from symbolon_server.telemetry.lasting_threads import Vitals

OVERALL = ""
"""The service name that stands for the whole server."""

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

MAX_WATCHES: Final = 1_024
"""Clients that may watch at a time; one more ends the oldest watch."""

MAX_CHECKS: Final = 1_024
"""Checks whose answer has not left; one more ends the oldest, whose caller does not read."""

MAX_AWAITED: Final = 16
"""Calls whose message has not arrived yet. Well-behaved clients send it with the call, and each
such call may take the memory of the largest request."""

_TOO_LONG: Final = 1 << 10
"""Bytes of a request that cannot name any real service."""

_UNKNOWN_NAME: Final = health_pb2.HealthCheckRequest(service="?").SerializeToString()

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class _Watch:
    """A client that watches a service.

    No status is queued for it: it gets the current one each time, and the call ends after the last.
    """

    def __init__(self, call: AcceptedCall, find_status: Callable[[], tuple[int, bool]]) -> None:
        """Send what `find_status` returns to `call`: the status, and whether it is the last."""
        self._call = call
        self._find_status = find_status
        self._lock = threading.Lock()
        self._sent: int | None = None
        self._is_sending = False

    def send_next(self) -> None:
        """Send the status if it has changed, once the previous one has been sent."""
        with self._lock:
            if self._is_sending:
                return
            status, is_last = self._find_status()
            self._is_sending = status != self._sent
            self._sent = status
            is_over = is_last and not self._is_sending
        if is_over:
            self._call.end()
        elif self._is_sending:
            self._call.send(health_pb2.HealthCheckResponse(status=status), self._note_sent)

    def _note_sent(self) -> None:
        with self._lock:
            self._is_sending = False
        self.send_next()


class Health:
    """The health of a server: SERVING from `open` until `close`.

    In between it is NOT_SERVING while a thread that every server needs cannot go on.
    """

    def __init__(
        self, services: Iterable[str], arrivals: Arrivals, vitals: Vitals | None = None
    ) -> None:
        self._awaited = arrivals.room_for(MAX_AWAITED)
        self._vitals = vitals or Vitals()
        self._vitals.listen(self._update)
        self._lock = threading.Lock()
        self._status: dict[str, int] = dict.fromkeys((OVERALL, *services), _NOT_SERVING)
        self._is_open = self._is_closed = self._is_last = False
        self._checks = NewestCalls[None](MAX_CHECKS)
        self._watches = NewestCalls[_Watch](MAX_WATCHES)

    def add_to(self, server: grpc.Server) -> None:
        """Register the service, which gRPC's serving thread answers itself."""
        codecs = (
            _read_request,
            health_pb2.HealthCheckResponse.SerializeToString,
        )
        checks = Intake(partial(self._awaited.expect, begin=self._answer))
        watches = Intake(partial(self._awaited.expect, begin=self._watch))
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(InPool(self.check, checks), *codecs),
            "Watch": grpc.unary_stream_rpc_method_handler(InPool(_never_run, watches), *codecs),
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

    def is_serving(self) -> bool:
        """Return whether the whole server is SERVING."""
        return self._status[OVERALL] == _SERVING

    def check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of one service, or end the call with NOT_FOUND."""
        status = self._status.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    def _answer(self, call: AcceptedCall, request: health_pb2.HealthCheckRequest) -> None:
        if self._checks.add(call, None):
            call.answer(request)

    def _watch(self, call: AcceptedCall, request: health_pb2.HealthCheckRequest) -> None:
        """Send the status of one service now and whenever it changes."""
        watch = _Watch(call, partial(self._find_status, request.service))
        if self._watches.add(call, watch):
            watch.send_next()

    def _find_status(self, service: str) -> tuple[int, bool]:
        """Return the status of a service, and whether it is the last."""
        with self._lock:
            return self._status.get(service, _UNKNOWN), self._is_last

    def _update(self) -> None:
        """Update the status and send it to all watches."""
        with self._lock:
            is_serving = self._is_open and not self._is_closed and self._vitals.are_sound()
            status = _SERVING if is_serving else _NOT_SERVING
            self._status = dict.fromkeys(self._status, status)
            self._is_last = self._is_closed
        for watch in self._watches.values():
            watch.send_next()


def _read_request(data: bytes) -> health_pb2.HealthCheckRequest:
    """Decode a request; on gRPC's serving thread, so a long one is not decoded."""
    return health_pb2.HealthCheckRequest.FromString(
        data if len(data) < _TOO_LONG else _UNKNOWN_NAME
    )


def _never_run(_request: object, _context: grpc.ServicerContext) -> Never:
    """Stand for Watch, whose messages are sent without a thread."""
    raise NotImplementedError
