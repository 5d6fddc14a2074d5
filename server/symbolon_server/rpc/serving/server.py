"""The gRPC server: options, port, start and orderly stop."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import grpc

from symbolon_server.rpc.access.access import AccessControl
from symbolon_server.rpc.access.credentials import server_credentials
from symbolon_server.rpc.access.protection import Protection, check_address
from symbolon_server.rpc.calls.accepted_calls import CallPool
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError, check_port
from symbolon_server.rpc.calls.arrivals import Arrivals
from symbolon_server.rpc.calls.call_limits import DRAIN_SECONDS, CallLimit, UnreadAnswers
from symbolon_server.rpc.serving.health import Health
from symbolon_server.rpc.serving.interceptors import CallGate, Outermost, begin_at_zero
from symbolon_server.rpc.serving.reflection import Reflection
from symbolon_server.telemetry.lasting_threads import Vitals
from symbolon_server.telemetry.tracing.tracer import Tracer

AddService = Callable[[grpc.Server], str]
"""Registers one service with the server and returns the service's full name."""

_NO_LIMIT = -1
_FOREVER = (1 << 31) - 1
"""Milliseconds that gRPC takes for no limit."""

_KEEPALIVE_MILLISECONDS = 120_000
_SHORTEST_PING_MILLISECONDS = 10_000
_STREAMS_PER_CALL_IN_FLIGHT = 4
_LEAST_STREAMS = 1_024
"""A connection may open more streams than the server takes calls, so that excess calls are refused
with a helpful status. Beyond this number gRPC resets streams without one."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server listens, and its limits."""

    listen: ListenAddress
    threads: int
    max_calls_in_flight: int
    max_request_bytes: int
    is_port_shared: bool = False
    """Whether several processes serve this port; otherwise a second server fails to start."""

    protection: Protection = field(default_factory=Protection)
    has_reflection: bool = True
    handshake_seconds: float = 10.0
    """For the TLS and HTTP/2 handshakes of a new connection. With gRPC's default of two minutes a
    client could hold many connections without authenticating."""

    connection_idle_seconds: float | None = None
    """After which a connection without calls is closed; None: never."""

    connection_age_seconds: float | None = None
    """After which a connection takes no more calls; running calls go on. None: never."""

    message_seconds: float = 10.0
    """How long the message of a call may take to arrive."""

    logs_calls: bool = False
    """Write one log line per call."""


def _do_nothing() -> None:
    """Do nothing."""


class RpcServer:
    """A server for `services`, with health and reflection."""

    def __init__(
        self,
        options: ServerOptions,
        services: Iterable[AddService],
        unread: UnreadAnswers | None = None,
        access: AccessControl | None = None,
        vitals: Vitals | None = None,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        """Serve `services`; their answers count as `unread` until they have left.

        Health is NOT_SERVING while `vitals` are not sound. With a `tracer`, calls have spans.
        """
        vitals = vitals or Vitals()
        self._options = options
        self._arrivals = Arrivals(options.message_seconds, vitals=vitals)
        unread = unread or UnreadAnswers()
        self._limit = CallLimit(options.max_calls_in_flight, unread)
        awaited = self._arrivals.room_for(options.max_calls_in_flight)
        self._pool = CallPool(options.threads, self._limit, awaited)
        self._access = access or AccessControl(options.protection.tokens)
        name_for_log = self._access.name_of if options.logs_calls else None
        outermost = Outermost(
            unread,
            name_caller=self._access.name_caller,
            name_for_log=name_for_log,
            tracer=tracer,
        )
        self._server = grpc.server(
            self._pool,
            interceptors=[CallGate(self._access, self._limit, outermost)],
            options=_channel_options(options),
        )
        names = [add(self._server) for add in services]
        begin_at_zero(names)
        self._health = Health(names, self._arrivals, vitals)
        self._health.add_to(self._server)
        self._reflection = Reflection((*names, "grpc.health.v1.Health"), self._arrivals)
        if options.has_reflection:
            self._reflection.add_to(self._server)

    def bind(self) -> ListenAddress:
        """Bind the port and return the address with it; raise `ListenError`."""
        check_address(self._options.listen, self._options.protection)
        if not self._options.is_port_shared:
            check_port(self._options.listen)
        try:
            port = self._add_port(str(self._options.listen))
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {self._options.listen}") from error
        return ListenAddress(self._options.listen.host, port)

    def _add_port(self, address: str) -> int:
        certificates = self._options.protection.certificates
        if certificates is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, server_credentials(certificates))

    def start(self) -> None:
        """Serve, and report SERVING."""
        self._server.start()
        self._health.open()

    def is_serving(self) -> bool:
        """Return whether health is SERVING."""
        return self._health.is_serving()

    def begin_to_stop(self) -> None:
        """Report NOT_SERVING from now on, and answer calls until `stop`."""
        self._health.close()

    def stop(
        self,
        grace_seconds: float,
        hurry: Callable[[], None] = _do_nothing,
        end_streams: Callable[[], None] = _do_nothing,
    ) -> None:
        """Refuse new calls, let calls in flight finish within the grace period, and stop.

        `end_streams` is called once new calls are refused: streams do not end on their own.
        `hurry` is called after half of the grace period: waiting calls should then answer with
        what is known.
        """
        self._health.close()
        self._reflection.close()
        # A call that reaches gRPC while it stops fails with CANCELLED, which clients do not
        # retry. So calls are refused with UNAVAILABLE first, until clients have backed off.
        self._limit.close()
        end_streams()
        time.sleep(min(DRAIN_SECONDS, grace_seconds))
        self._arrivals.hurry()
        ended = self._server.stop(grace_seconds)
        if not ended.wait(grace_seconds / 2):
            hurry()
        ended.wait()
        self._pool.shutdown()
        self._access.release()
        self._limit.release()
        self._reflection.release()
        self._arrivals.release()


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    streams = options.max_calls_in_flight * _STREAMS_PER_CALL_IN_FLIGHT
    return [
        ("grpc.so_reuseport", int(options.is_port_shared)),
        ("grpc.server_handshake_timeout_ms", round(options.handshake_seconds * 1000)),
        ("grpc.max_receive_message_length", options.max_request_bytes),
        ("grpc.max_send_message_length", _NO_LIMIT),
        ("grpc.max_concurrent_streams", max(streams, _LEAST_STREAMS)),
        ("grpc.max_connection_idle_ms", _milliseconds(options.connection_idle_seconds)),
        ("grpc.max_connection_age_ms", _milliseconds(options.connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _FOREVER),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
        ("grpc.http2.min_ping_interval_without_data_ms", _SHORTEST_PING_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.enable_channelz", 0),
    ]


def _milliseconds(seconds: float | None) -> int:
    return _FOREVER if seconds is None else min(round(seconds * 1000), _FOREVER)
