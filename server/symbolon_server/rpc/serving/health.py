"""grpc.health.v1: whether the server, and each of its services, takes calls.

The stock servicer is not used. Its callbacks deadlock when a Watch client leaves during a
change, its threads stay for ever when a client left before Watch began, its pool belongs
to the class instead of the server, and Check waits in the queue of ordinary calls.

Nothing here has a thread of its own: callers need no token, so whatever their number, they would
hold all that there are.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Never

import grpc
from grpc_health.v1 import health_pb2

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.in_pool import InPool
from symbolon_server.rpc.calls.newest_calls import NewestCalls
from symbolon_server.rpc.calls.pools import Intake
from symbolon_server.telemetry.lasting_threads import Vitals

OVERALL = ""
"""The service name that stands for the whole server."""

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

MAX_WATCHES: Final = 1_024
"""Clients that watch at a time; for one more the longest watch is ended."""

MAX_CHECKS: Final = 1_024
"""Checks whose answer has not left, at a time; they wait for callers that do not read."""

MAX_AWAITED: Final = 16
"""Calls whose message is not there yet, at a time. That of an honest one comes with it, and each
may take the memory of the largest request."""

_TOO_LONG: Final = 1 << 10
"""Bytes of a request that names no service of anybody."""

_UNKNOWN_NAME: Final = health_pb2.HealthCheckRequest(service="?").SerializeToString()

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class _Watch:
    """A client that watches a service: what it is told, one status after the other.

    None is kept for it: each time it is told what is so by then, and is let go after the last.
    """

    def __init__(self, call: AcceptedCall, find_status: Callable[[], tuple[int, bool]]) -> None:
        """Tell `call` what `find_status` returns: the status, and whether it is the last."""
        self._call = call
        self._find_status = find_status
        self._lock = threading.Lock()
        self._told: int | None = None
        self._is_sending = False

    def go_on(self) -> None:
        """Tell the status if it is another one, once the client has taken what it was told."""
        with self._lock:
            if self._is_sending:
                return
            status, is_last = self._find_status()
            self._is_sending = status != self._told
            self._told = status
            is_over = is_last and not self._is_sending
        if is_over:
            self._call.end()
        elif self._is_sending:
            self._call.send(health_pb2.HealthCheckResponse(status=status), self._note_sent)

    def _note_sent(self) -> None:
        with self._lock:
            self._is_sending = False
        self.go_on()


class Health:
    """The health of a server: not serving until `open`, and never again after `close`.

    Nor between while a part of the process that has to go on cannot.
    """

    def __init__(
        self, services: Iterable[str], arrivals: Arrivals, vitals: Vitals | None = None
    ) -> None:
        self._awaited = arrivals.room_for(MAX_AWAITED)
        self._vitals = vitals or Vitals()
        self._vitals.listen(self._look)
        self._lock = threading.Lock()
        self._status: dict[str, int] = dict.fromkeys((OVERALL, *services), _NOT_SERVING)
        self._is_open = self._is_closed = self._is_last = False
        self._checks = NewestCalls[None](MAX_CHECKS)
        self._watches = NewestCalls[_Watch](MAX_WATCHES)

    def add_to(self, server: grpc.Server) -> None:
        """Register the service, which gRPC's serving thread answers by itself."""
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
        """Say from now on that every service takes calls."""
        self._is_open = True
        self._look()

    def close(self) -> None:
        """Say from now on that no service does; watching clients are told, then let go."""
        self._is_closed = True
        self._look()

    def check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of one service; NOT_FOUND when there is none of that name."""
        status = self._status.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    def _answer(self, call: AcceptedCall, request: health_pb2.HealthCheckRequest) -> None:
        if self._checks.add(call, None):
            call.answer(request)

    def _watch(self, call: AcceptedCall, request: health_pb2.HealthCheckRequest) -> None:
        """Tell the status of one service now and whenever it changes."""
        watch = _Watch(call, partial(self._find_status, request.service))
        if self._watches.add(call, watch):
            watch.go_on()

    def _find_status(self, service: str) -> tuple[int, bool]:
        """Return the status of a service, and whether it is the last."""
        with self._lock:
            return self._status.get(service, _UNKNOWN), self._is_last

    def _look(self) -> None:
        """Bring the status up to date, and tell it to those who watch."""
        with self._lock:
            is_serving = self._is_open and not self._is_closed and self._vitals.are_sound()
            status = _SERVING if is_serving else _NOT_SERVING
            self._status = dict.fromkeys(self._status, status)
            self._is_last = self._is_closed
        for watch in self._watches.kept():
            watch.go_on()


def _read_request(data: bytes) -> health_pb2.HealthCheckRequest:
    """Return a request; by gRPC's serving thread, so a long one is not looked at."""
    return health_pb2.HealthCheckRequest.FromString(
        data if len(data) < _TOO_LONG else _UNKNOWN_NAME
    )


def _never_run(_request: object, _context: grpc.ServicerContext) -> Never:
    """Stand for Watch, whose messages are sent without a thread."""
    raise NotImplementedError
